#!/bin/bash
# Tests the guest SDKs natively, and takes each template through its README:
# made, built and tested with what a stranger has. Give it the argus program.
# AssemblyScript and WebAssembly from C and Rust use the compilers of
# examples/rebuild.sh; where they are not to be had it ends with 75.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ARGUS=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
PATH=$(dirname "$ARGUS"):$PATH
export ARGUS PATH
cache=${XDG_CACHE_HOME:-$HOME/.cache}/argus
work=${WORK:-$cache/prebuilt}
root=$work/root/usr
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

absent() {
    echo "$1 was not built: $2" >&2
    exit 75
}

made() {
    "$ARGUS" module new --lang "$1" "$scratch/my-$1" >/dev/null
    cd "$scratch/my-$1"
}

check_rust() {
    (cd "$here/rust" && cargo test --quiet --locked)
    made rust
    CARGO_TARGET_DIR=$cache/guests/template cargo test --quiet
}

check_js() {
    (cd "$here/js" && node --test >/dev/null)
    for language in ts js; do
        made $language
        "$ARGUS" module build >/dev/null
        npm test --silent
    done
}

check_go() {
    PATH=$PATH:$cache/tools/go/bin
    [ -n "$(command -v go)" ] || { absent Go "scripts/setup brings its toolchain"; }
    (cd "$here/go" && go vet ./... && go test ./... >/dev/null)
    made go
    go test ./... >/dev/null
    "$ARGUS" module build >/dev/null
    "$ARGUS" module run my-go.wasm --input ctx.json --answers answers.json --json | grep -q '"301122500000"'
}

check_as() {
    local tools=$cache/guests/asc/node_modules
    [ -x "$tools/.bin/asc" ] || { absent AssemblyScript "examples/rebuild.sh brings its compiler"; }
    made as
    ln -s "$tools" node_modules
    npm test --silent
}

check_c() {
    [ -x "$root/lib/llvm-19/bin/clang" ] || { absent C "host/prebuilt/rebuild.sh brings its compiler"; }
    made c
    export LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu:$root/lib/llvm-19/lib
    CC="$root/lib/llvm-19/bin/clang -fuse-ld=$root/bin/wasm-ld-19" make --silent test >/dev/null
}

code=0
for language in rust js go as c; do
    # A subshell for each; its -e counts only outside of a condition.
    set +e
    (set -e; check_$language)
    ended=$?
    set -e
    ((ended == 0)) || { ((ended == 75)) && code=75; } || { echo "$language: FAILED" >&2; exit 1; }
done
exit $code
