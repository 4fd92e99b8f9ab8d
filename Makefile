# `make` alone lists what there is. Each target installs what it needs; see scripts/setup.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-cluster bench fuzz release fmt

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## install what is missing, outside the checkout
	@scripts/setup test

demo: ## a local chain, the platform, three keepers and three jobs, told as it happens
	@scripts/demo

test: ## every check that CI makes, but for test-cluster
	@scripts/test

test-cluster: ## three nodes of the shared store, killed under load: what takes minutes and 3 GB of memory
	@scripts/test-cluster

bench: ## measure; prints every figure with its floor
	@scripts/setup bench
	@cargo run --release --locked -p argus-bench

fuzz: ## throw mutated input at what takes bytes from strangers; FOR=300 seconds each, with a nightly compiler
	@scripts/fuzz $(or $(FOR),60)

release: ## the program with all that belongs to it, its parts and checksums, in dist
	@scripts/release

fmt: ## format the code
	@cargo fmt --all
