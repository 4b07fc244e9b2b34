# One command for one intent. CI runs `make test` and nothing else.

CARGO ?= cargo
LOG   ?= tests/logs/attack.jsonl
# `make run PROFILE=dev ARGUMENTS='-c FILE'` builds faster and passes arguments on.
PROFILE   ?= release
ARGUMENTS ?=
BINARIES   = $(or $(CARGO_TARGET_DIR),target)/$(PROFILE:dev=debug)

.PHONY: run check test bench fuzz fmt help

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/'

run: ## Start the daemon on loopback, replay a recorded log through its webhook, show alerts, stay up
	$(CARGO) build --profile $(PROFILE) --bin kubevigil --bin replay
	@tests/demo.sh $(BINARIES) $(LOG) $(ARGUMENTS)

check: ## The fast inner loop: format, lints, unit tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- --deny warnings
	$(CARGO) test --workspace --lib --bins --quiet

test: ## Everything: format, lints as errors, unit, conformance and end-to-end tests, docs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	$(CARGO) test --workspace
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --quiet

bench: ## Measure the reader and the matcher against yardsticks, then the whole daemon
	$(CARGO) bench -p kubevigil-bench
	$(CARGO) bench -p kubevigil-journal

fuzz: ## Fuzz every target for a minute (needs a nightly toolchain and cargo-fuzz)
	@for target in $$($(CARGO) +nightly fuzz list); do $(CARGO) +nightly fuzz run $$target -- -max_total_time=60 || exit 1; done

fmt: ## Format everything
	$(CARGO) fmt --all
