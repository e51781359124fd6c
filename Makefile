# What to do with this project. `make help` lists it; the recipes that need more than a line are in scripts/.

CARGO   ?= cargo
LOCKED  ?= --locked
PREFIX  ?= /opt/cni/bin
BINDIR  ?= /usr/local/bin
DESTDIR ?=
# Hosts that `make cluster` makes, and more arguments for it (`make cluster OPTIONS=--help`).
N       ?= 5
OPTIONS ?=
# Endpoints that `make bench` attaches with each contender.
ENDPOINTS ?= 200

PLUGINS := bridge macvlan vxlan-overlay host none loopback firewall portmap tuning bandwidth host-local-ipam host-local
OUT     := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := all
.PHONY: all demo demo-overlay cluster test test-vm bench order check install clean help

all: ## build the plugins and cnm into bin/: release, static
	@scripts/need build
	scripts/cargo-static build --release $(LOCKED) -p multicall -p cnm-cli
	@triple=$$(scripts/static-target) && \
	scripts/link-plugins "$(OUT)/$$triple/release/cnm-plugins" bin $(PLUGINS) && \
	scripts/link-plugins "$(OUT)/$$triple/release/cnm" bin cnm
	@ls -l bin

demo: all ## two sandboxes talk to each other, their host and the world beyond (root)
	@scripts/need demo
	demo/run

demo-overlay: all ## three hosts, one network: a ping across, and who is where (root)
	@scripts/need demo
	demo/overlay

cluster: all ## N=5 hosts joined by an underlay, and a shell among them, until you leave it (root)
	@scripts/need cluster
	$(CARGO) build --quiet $(LOCKED) -p cnm-tests --bin cluster
	@CNM_TEST_BIN=bin "$(OUT)/debug/cluster" $(OPTIONS) $(N)

test: all ## every ring of tests (root); installs from Debian what is missing
	@scripts/need test
	scripts/test $(LOCKED)

test-vm: all ## the kernel ring on a stock Debian kernel in a virtual machine (root), with what this kernel may lack
	@scripts/need test-vm
	scripts/test-vm $(LOCKED)

bench: all ## compare with the reference plugins and the kernel floor (root); writes target/bench.json
	@scripts/need bench
	scripts/cargo-static build --release $(LOCKED) -p cnm-benches
	@triple=$$(scripts/static-target) && \
	"$(OUT)/$$triple/release/bench" --ours bin --endpoints $(ENDPOINTS) --json "$(OUT)/bench.json"

order: ## renew the order of the plugins' functions in their executable (root): plugins/multicall/order.txt
	@scripts/need bench
	scripts/order

check: ## formatting, lints and documentation, no warning allowed
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(LOCKED) --workspace --no-deps

install: ## DESTDIR= PREFIX=/opt/cni/bin: plugins as hard links of one file; BINDIR=/usr/local/bin: cnm
	@test -x bin/cnm || { echo "bin/ is not built: run \`make\` first" >&2; exit 1; }
	scripts/link-plugins bin/bridge "$(DESTDIR)$(PREFIX)" $(PLUGINS)
	scripts/link-plugins bin/cnm "$(DESTDIR)$(BINDIR)" cnm

clean: ## remove what was built
	$(CARGO) clean
	rm -rf bin

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16
