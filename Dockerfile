# gox-server and the Go that it compiles with, for every place that runs a container. `make image` builds it; the README has a
# line for each place.
#
# It needs one writable directory, GOX_DIR, and PORT. It runs as any user, with a read-only root, without capabilities,
# without a HOME or a line in /etc/passwd.

# Each can be another: a mirror, or one of your own.
ARG RUST=docker.io/library/rust:1.95-slim-trixie
ARG GO=docker.io/library/golang:1.26.11-trixie
ARG BASE=docker.io/library/debian:trixie-slim

# The program: one static file, the one that the tests run. With musl it would be 2.8 MB, not 3.7, and answer 0.2 ms sooner.
FROM ${RUST} AS program
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY src src
RUN cargo build --release --locked --bin gox-server && cp target/*/release/gox-server /gox-server

# Go without what no build without cgo reads: 250 MB become 150.
FROM ${GO} AS go
RUN cd /usr/local/go \
    && rm -rf api doc misc test src/cmd bin/gofmt \
    && find src -type d -name testdata -prune -exec rm -rf {} + \
    && find src -name '*_test.go' -delete \
    && find pkg/tool -type f ! -name compile ! -name asm ! -name link -delete

# What is shipped, but for the program and what is compiled ahead. It has a shell, to look inside:
# `docker run --rm -it gox-server sh`.
FROM ${BASE} AS ground
# How the module proxy is known to be the one.
COPY --from=go /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=go /usr/local/go /usr/local/go

# The standard library for the platforms that most people have: without it, the first program for each takes minutes on a small
# machine. By go itself, with the recipe's own flags, so that another gox-server leaves this layer as it is, the largest by far.
# Who builds has a umask of its own; all may read.
FROM ground AS warmed
ARG PLATFORMS="linux/amd64 linux/arm64 darwin/arm64 darwin/amd64 windows/amd64"
RUN for platform in ${PLATFORMS}; do \
        GOCACHE=/warmed/compile CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} \
            /usr/local/go/bin/go build -trimpath -pgo=off std || exit 1; \
    done \
    && chmod -R a=rX /warmed

FROM ground
COPY --from=warmed /warmed /usr/local/lib/gox-server
COPY --from=program /gox-server /usr/local/bin/gox-server
# PORT is what most places set anyway. 25 s to the first byte is for routers that cut after 30.
ENV PORT=8080 \
    GOX_DIR=/var/cache/gox-server \
    GOX_WARMED=/usr/local/lib/gox-server/compile \
    GOX_FIRST_BYTE_SECONDS=25
# Whoever it runs as belongs to group 0 (OpenShift's rule, and Docker's where no group is named).
RUN mkdir -p "${GOX_DIR}" && chgrp -R 0 "${GOX_DIR}" && chmod -R g=u "${GOX_DIR}"
USER 10001:0
# What is needed and does not work here would not work there.
RUN export GOX_DIR=$(mktemp -d) && gox-server doctor && rm -r "${GOX_DIR}"
CMD ["gox-server"]
