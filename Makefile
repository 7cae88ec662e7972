# Everything that is done to this project, by name. `make run` needs Rust; `make test` needs Go too, and installs
# what it asks with.

# The servers that the tests put in front of gox-server, and the clients that they ask with.
TEST_PACKAGES = nginx-light lighttpd apache2 libapache2-mod-fcgid libapache2-mod-xsendfile caddy systemd libfcgi-bin curl wget openssl busybox haproxy mini-httpd varnish aria2 nodejs python3-requests python3-httpx zsh shellcheck chromium chromium-driver

# How long `make fuzz` looks for what breaks each law.
FUZZ_SECONDS = 60

.PHONY: run check test clients corpus names bench campaign stops load fuzz image slug-size fmt lint deny test-packages

# Builds gox-server and starts its front: http://127.0.0.1:3000, or PORT.
run:
	cargo run --release

# What to run while editing: formatting, lints, unit tests. Needs no Debian package and no network once it is built.
check:
	cargo fmt --check
	$(MAKE) lint
	cargo test --lib --bins

# Formatting, lints, and every test, with the small real programs among them.
test: test-packages
	cargo fmt --check
	$(MAKE) lint
	cargo test -- --skip corpus --skip well_known
	CORPUS=small cargo test --test suite -- --nocapture corpus

# Every real program of tests/data/programs.tsv: hours on a small machine.
corpus:
	CORPUS=all cargo test --test suite -- --nocapture corpus

# HTTP clients through caches and proxies: prints the table of what each got.
clients: test-packages
	cargo test --test suite -- --nocapture clients::

# What well-known repositories are answered by, and by which evidence: tests/data/names.tsv, a minute.
names:
	cargo test --test suite -- --nocapture well_known

# Ratios in one run: against plain go, against each web server's own files, against a CGI program that does nothing.
bench:
	benches/run
	benches/servers

# Faults of all kinds while 300 programs are built; CAMPAIGN_SEED repeats a run.
campaign:
	CAMPAIGN=300 cargo test --test suite -- --nocapture campaign

# Coverage-guided, with cargo-fuzz and a nightly Rust. What it finds, made small, belongs into fuzz/corpus, which every test run
# tries; what it grows meanwhile stays in fuzz/target.
fuzz:
	@cd fuzz && for law in corpus/*; do \
		law=$${law#corpus/}; mkdir -p target/corpus/$$law; \
		cargo +nightly fuzz run $$law target/corpus/$$law corpus/$$law -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=20 -print_final_stats=1 || exit; \
	done

# A container's front, stopped at 100 moments; STOPS_SEED repeats a run.
stops:
	STOPS=100 cargo test --test suite -- --nocapture whenever_it_is_stopped

# The image, by docker, podman or buildah; IMAGE_ARGS are passed on, such as --build-arg BASE=…
IMAGE = gox-server
image:
	deploy/build-image $(IMAGE) $(IMAGE_ARGS)

# What the image takes, compressed, and what takes the room.
slug-size:
	deploy/slug-size $(IMAGE) 500

# 500 clients, 100,000 names that are not, 200 programs under a cap, 50 of up to 100 MB under one of 512 MiB: prints its figures.
load:
	LOAD=10 cargo test --test suite -- --nocapture load::

fmt:
	cargo fmt

lint:
	cargo clippy --all-targets -- --deny warnings

# Licences, sources and known holes of the dependencies, by cargo-deny; it fetches the list of holes from GitHub.
deny:
	cargo deny check

# Only what is missing is installed, so that without a package manager the packages can be there by other ways.
test-packages:
	@missing=; for package in $(TEST_PACKAGES); do \
		dpkg-query --show --showformat='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	test -z "$$missing" && exit 0; \
	command -v apt-get >/dev/null || { echo "The tests need$$missing, and there is no apt-get to install them." >&2; exit 1; }; \
	sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	$$sudo apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install --quiet=2 --yes --no-install-recommends $$missing
