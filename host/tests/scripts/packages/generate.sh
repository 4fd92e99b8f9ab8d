#!/bin/bash
# Runs every script here in Node with the packages that the sandbox has counterparts of, and keeps what it prints.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$here/expected"
generate() { # script, packages...
    local script=$1
    shift
    rm -rf "$work/run" && mkdir "$work/run"
    (cd "$work/run" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund "$@" >/dev/null)
    cp "$here/$script.js" "$work/run"
    node "$work/run/$script.js" >"$here/expected/$script.json"
}
generate ethers ethers@6.17.0
generate ethers-v5 ethers@5.8.0
generate axios axios@1.21.1
generate locale
generate hashes
generate url
generate fetch
generate types
