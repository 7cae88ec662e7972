# gox-server with the Go that compiles, for every container platform. `make image` builds it; docs/deploy.md has the commands for
# each platform.
#
# It needs PORT and one writable directory, GOX_DIR. It runs as any user, with a read-only root, without capabilities,
# without HOME and without an entry in /etc/passwd.

# Base images. Override them with --build-arg, for example with a mirror.
ARG RUST=docker.io/library/rust:1.95-slim-trixie
ARG GO=docker.io/library/golang:1.26.11-trixie
ARG BASE=docker.io/library/debian:trixie-slim

# The program: one static file, linked with musl.
FROM ${RUST} AS program
RUN apt-get update && apt-get install --yes --no-install-recommends musl-tools && rustup target add "$(uname -m)-unknown-linux-musl"
# Embeds the list of dependencies in the program (section .dep-v0), for scanners.
RUN cargo install --locked cargo-auditable@0.7.7
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY src src
RUN cargo auditable build --release --locked --bin gox-server --target "$(uname -m)-unknown-linux-musl" \
    && cp target/*/release/gox-server /gox-server

# Go without the files that builds without cgo do not read: 150 MB instead of 250.
FROM ${GO} AS go
RUN cd /usr/local/go \
    && rm -rf api doc misc test src/cmd bin/gofmt \
    && find src -type d -name testdata -prune -exec rm -rf {} + \
    && find src -name '*_test.go' -delete \
    && find pkg/tool -type f ! -name compile ! -name asm ! -name link -delete

# The base of the final image. It has a shell for debugging: `docker run --rm -it gox-server sh`.
FROM ${BASE} AS base
# Certificate authorities for the connection to the module proxy.
COPY --from=go /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=go /usr/local/go /usr/local/go

# The precompiled standard library for the most common platforms. Without it, the first program for each platform takes minutes on a
# small machine. `go` compiles it with the flags of a recipe, so this layer, by far the largest, does not change with gox-server.
# The modes do not depend on the umask of the build.
FROM base AS warmed
ARG PLATFORMS="linux/amd64 linux/arm64 darwin/arm64 darwin/amd64 windows/amd64"
RUN for platform in ${PLATFORMS}; do \
        GOCACHE=/warmed/compile CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} \
            /usr/local/go/bin/go build -trimpath -pgo=off std || exit 1; \
    done \
    && chmod -R a=rX /warmed

FROM base
COPY --from=warmed /warmed /usr/local/lib/gox-server
COPY --from=program /gox-server /usr/local/bin/gox-server
# Most platforms set PORT. 25 s to the first byte is for routers with a timeout of 30 s.
ENV PORT=8080 \
    GOX_DIR=/var/cache/gox-server \
    GOX_WARMED=/usr/local/lib/gox-server/compile \
    GOX_FIRST_BYTE_SECONDS=25
# Any user of the container belongs to group 0 (a rule of OpenShift, and Docker's default).
RUN mkdir -p "${GOX_DIR}" && chgrp -R 0 "${GOX_DIR}" && chmod -R g=u "${GOX_DIR}"
USER 10001:0
# Fails the image build if gox-server cannot work in this image.
RUN export GOX_DIR=$(mktemp -d) && gox-server doctor && rm -r "${GOX_DIR}"
CMD ["gox-server"]
