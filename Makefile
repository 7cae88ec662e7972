# The commands of this project. `make run` needs Rust and Go; `make test` also installs Debian packages, and needs root.

# Web servers and HTTP clients that the tests use.
TEST_PACKAGES = nginx-light lighttpd apache2 libapache2-mod-fcgid libapache2-mod-xsendfile caddy systemd libfcgi-bin curl wget openssl busybox haproxy h2o mini-httpd varnish aria2 nodejs python3-requests python3-httpx python3-prometheus-client groff-base zsh fish shellcheck chromium chromium-driver

# Time per law of `make fuzz`.
FUZZ_SECONDS = 60

.PHONY: run check test recording screenshots accessibility clients corpus names tools stores bench flame campaign stops load fuzz image slug-size deb deb-test reproducible arm64 fmt lint deny test-packages

# Builds gox-server and starts its front on http://127.0.0.1:3000, or on PORT.
run:
	cargo run --release

# Run this while editing: format, lints, unit tests. Once built, it needs no Debian package and no network.
check:
	cargo fmt --check
	$(MAKE) lint
	cargo test --lib

# Format, lints and the tests, with some small real programs; `make names` and `make stores` run the others. Needs root: gox-server is not
# dumpable (proc(5)), so only root sees which processes run for a store. Tests wait for servers and the network, so there is one more at
# a time than there are CPUs.
test: test-packages
	cargo fmt --check
	$(MAKE) lint
	cargo test -- --test-threads $$(($$(nproc) + 1)) --skip corpus --skip well_known --skip real_stores
	CORPUS=quick cargo test --test suite -- --nocapture corpus

# Every real program of tests/data/programs.tsv: hours on a small machine.
corpus:
	CORPUS=all cargo test --test suite -- --nocapture corpus

# Runs the commands of the README against a real server and draws docs/recording.svg.
recording:
	cargo build --release --bin gox-server
	docs/record.py target/*/release/gox-server

PAGES_TEST = cargo test --test suite -- --nocapture every_page_in_every_state

# Writes a screenshot of every page in every state to target/screenshots: desktop, dark, and 320 pixels wide.
screenshots: test-packages
	PAGES=$(CURDIR)/target/screenshots $(PAGES_TEST)

# Runs axe-core and a validator of HTML on every page in every state. npm installs both into target/.
accessibility: test-packages
	npm install --silent --no-save --prefix target/npm axe-core html-validate
	AXE=$(CURDIR)/target/npm/node_modules/axe-core/axe.min.js PAGES=$(CURDIR)/target/screenshots $(PAGES_TEST)
	target/npm/node_modules/.bin/html-validate --config tests/browser/html-validate.json target/screenshots/*.html

# Tests HTTP clients through caches and proxies, and prints a table of the results.
clients: test-packages
	cargo test --test suite -- --nocapture clients::

# Runs every command of docs/clients.md and prints what it prints. The tools must be on PATH: wget2, mise, aqua, ubi, eget, ansible-playbook, buildah, nix-prefetch-url.
tools: test-packages
	TOOLS=all cargo test --test suite -- --nocapture every_section_installs

# Checks which program well-known repositories resolve to, and by which rule: tests/data/well_known.tsv, a minute.
names:
	cargo test --test suite -- --nocapture well_known

# Speed as ratios in one run: first builds to plain go, hits to static files of each web server, 304 responses to an empty CGI program.
# Memory, system calls, new names. With CARGO_BUILD_TARGET=x86_64-unknown-linux-musl it measures the program of the image.
# Under BBR, which paces each connection by an estimate, large bodies take one or two times as long at random:
# `sysctl net.ipv4.tcp_congestion_control=cubic` first. `benches/next` measures the next version of ten programs over the first one, in
# half an hour; it is no part of this.
bench:
	@echo "TCP congestion control: $$(cat /proc/sys/net/ipv4/tcp_congestion_control)"
	benches/first
	benches/hits
	benches/servers
	benches/names

# Runs machines with versitygw and rclone, which are built from their modules into target/stores, and measures what an empty machine
# saves. The first time takes long.
STORES = $(CURDIR)/target/stores
stores: test-packages
	GOBIN=$(STORES) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	GOBIN=$(STORES) go install github.com/rclone/rclone@v1.76.0
	PATH=$(STORES):$$PATH cargo test --test suite -- --nocapture real_stores
	PATH=$(STORES):$$PATH benches/machines

# Draws flame graphs of a hit and of a first build: target/flame/hit.svg and build.svg. Needs perf.
flame:
	benches/flame

# Injects faults while 300 programs are built; CAMPAIGN_SEED repeats a run.
campaign:
	CAMPAIGN=300 cargo test --test suite -- --nocapture campaign

# Coverage-guided fuzzing with cargo-fuzz and nightly Rust. Add minimized findings to fuzz/corpus, which every test run uses; the
# generated corpus stays in fuzz/target.
fuzz:
	@cd fuzz && for law in corpus/*; do \
		law=$${law#corpus/}; mkdir -p target/corpus/$$law; \
		cargo +nightly fuzz run $$law target/corpus/$$law corpus/$$law -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=20 -print_final_stats=1 || exit; \
	done

# Stops a container's front at 100 random moments; STOPS_SEED repeats a run.
stops:
	STOPS=100 cargo test --test suite -- --nocapture container_stopped

# Builds the image with docker, podman or buildah; IMAGE_ARGS are further arguments, such as --build-arg BASE=…
IMAGE = gox-server
image:
	deploy/build-image $(IMAGE) $(IMAGE_ARGS)

# The machine for which `deb` and `reproducible` build: this one, with musl, as in a release. `rustup target add` and the package musl-tools are
# needed.
TARGET = $(shell uname -m)-unknown-linux-musl

# Makes the Debian package, with cargo-deb.
deb:
	mkdir -p target/debian
	deploy/release-binary $(TARGET) target/debian/gox-server
	deploy/package $(TARGET) target/debian

# Installs, starts, upgrades and purges the package of `make deb` in a fresh Debian, which mmdebstrap makes below target/. Needs root.
deb-test:
	deploy/test-package target/debian/*_$(shell dpkg --print-architecture).deb

# Builds the release binary in two folders, of which this is one, and compares the bytes: the tree must be committed.
reproducible:
	deploy/check-reproducible $(TARGET)

# Cross-compiles the Debian package for arm64, and tests it and the cells in a virtual machine with Debian's arm64 kernel. Needs root, mmdebstrap,
# qemu-system-arm, cpio, gcc-aarch64-linux-gnu, cargo-deb, and Rust's target aarch64-unknown-linux-musl. A program of this machine prints the manual page.
arm64:
	cargo build --bin gox-server
	GOX_SERVER=target/$(shell rustc --print host-tuple)/debug/gox-server deploy/cross-arm64 $(MAKE) deb TARGET=aarch64-unknown-linux-musl
	deploy/test-arm64 target/debian/*_arm64.deb

# Prints the compressed size of the image and of its parts.
slug-size:
	deploy/slug-size $(IMAGE) 500

# Load tests: 500 clients, 100,000 names that do not exist, 200 programs under a cap, 50 programs of up to 100 MB under a cap of 512 MiB.
load:
	LOAD=10 cargo test --test suite -- --nocapture load::

fmt:
	cargo fmt

lint:
	cargo clippy --all-targets -- --deny warnings

# Checks licences, sources and known vulnerabilities of the dependencies with cargo-deny. It clones the RustSec database from GitHub: no
# package registry serves it. Without GitHub, `cargo deny check licenses bans sources` checks the rest.
deny:
	cargo deny check

# Installs only missing packages, so a machine without apt-get can provide them in another way.
test-packages:
	@missing=; for package in $(TEST_PACKAGES); do \
		dpkg-query --show --showformat='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	test -z "$$missing" && exit 0; \
	command -v apt-get >/dev/null || { echo "Missing packages:$$missing. apt-get is not available; install them in another way." >&2; exit 1; }; \
	sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	$$sudo apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install --quiet=2 --yes --no-install-recommends $$missing
