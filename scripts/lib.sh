# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the scripts that source this
# What every script here shares: where things are, how to say something, how to run a step.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/argus
tools=$cache/tools

# shellcheck source=scripts/versions.sh
source "$root/scripts/versions.sh"

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
warn() { printf '\033[33m==> %s\033[0m\n' "$*" >&2; }
die() {
    printf '\033[31m==> %s\033[0m\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }
in_ci() { [[ ${CI:-} == true ]]; }

# The compiler's version, from the one file that names it.
rust_version() { sed -n 's/^channel *= *"\(.*\)"/\1/p' "$root/rust-toolchain.toml"; }

runs_rust() {
    (cd "$root" && cargo --version && rustc --version && cargo clippy --version && cargo fmt --version) >/dev/null 2>&1
}

# Where rustup has the very compiler that is asked for, but under another name (`stable`), use that.
use_rust() {
    local toolchain
    has cargo || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    if runs_rust || ! has rustup; then
        return 0
    fi
    for toolchain in $(rustup toolchain list --quiet 2>/dev/null); do
        if [[ $(RUSTUP_TOOLCHAIN=$toolchain rustc --version 2>/dev/null) == "rustc $(rust_version) "* ]]; then
            export RUSTUP_TOOLCHAIN=$toolchain
            return 0
        fi
    done
}

# step NAME COMMAND...: run it, say how long it took; the first that fails ends the script and is named.
step() {
    local name=$1 started=$SECONDS
    shift
    say "$name"
    if "$@"; then
        say "$name: ok ($((SECONDS - started)) s)"
    else
        die "$name: FAILED after $((SECONDS - started)) s; this step alone: $*"
    fi
}

# Put the result of a set-up step in its place at once, so that an interrupted one leaves nothing half done.
# install_dir MADE PLACE
install_dir() {
    local made=$1 place=$2
    rm -rf "$place"
    mkdir -p "$(dirname "$place")"
    mv -T "$made" "$place" 2>/dev/null || mv "$made" "$place"
}

use_rust
