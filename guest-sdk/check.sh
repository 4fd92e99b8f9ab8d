#!/bin/bash
# Tests the guest SDKs natively, and takes each template through its README:
# made, built and tested with what a stranger has. Uses target/debug/argus, or
# the argus program that it is given.
# AssemblyScript and WebAssembly from C and Rust use the compilers of
# examples/rebuild.sh; where they are not to be had it ends with 75.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/.." && pwd)
ARGUS=$(realpath "${1:-$here/../target/debug/argus}")
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
    export CARGO_TARGET_DIR=$cache/guests/template
    cargo test --quiet
    # Functions that are no script, and what their authors are told: each says it in its first line.
    local wrong said
    for wrong in "$here"/rust/tests/refused/*.rs; do
        cp "$wrong" src/lib.rs
        if said=$(cargo check --quiet 2>&1) || ! grep -qF "$(sed -n '1s,^// ,,p' "$wrong")" <<<"$said"; then
            echo "$wrong: its author is told otherwise: ${said:-nothing}" >&2
            return 1
        fi
    done
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
    "$ARGUS" module run my-go.wasm --input ctx.json --answers answers.json --json | grep -F '"301125000000"' >/dev/null
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

# What `argus module run` gives, and how it ends. expect WHAT MODULE FIRST_ARGUMENT END
expect() {
    local ended=0 ran
    echo "{\"arguments\": [\"$3\"]}" >ctx.json
    ran=$("$ARGUS" module run "$2" --input ctx.json --answers answers.json) || ended=$?
    if ! grep -qxF "$4" <<<"$ran"; then
        echo "$1, $3: expected \"$4\", it ended with $ended: $ran" >&2
        return 1
    fi
}

# Components of the world in wit/: a crate that is linked as one, a crate whose core module carries the world, and
# JavaScript. The last has no equal bytes twice, so it is run and not compared.
check_components() {
    local target qjs=$cache/guests/qjs version=0.4.5 price='{"http": [{"url": "https://a.example/price", "body": {"usd": "12.5"}}]}'
    for target in wasm32-unknown-unknown wasm32-wasip2; do
        cp -R "$top/tests/guests/good/component-rust" "$scratch/$target"
        cd "$scratch/$target"
        sed -i "s,../../../../wit,$top/wit," src/lib.rs
        printf '\n[package.metadata.argus]\ntarget = "%s"\n' "$target" >>Cargo.toml
        printf '#!/bin/bash\nexec "%s" . "$@"\n' "$top/host/prebuilt/cargo.sh" >cargo
        chmod +x cargo
        CARGO=$PWD/cargo CARGO_TARGET_DIR=$cache/guests/template CARGO_UNSTABLE_BUILD_STD=std,panic_abort \
            RUSTFLAGS="-C link-self-contained=no -L native=$work/guests/libc/usr/lib/wasm32-wasi" \
            "$ARGUS" module build --out made.wasm >said || { [ -x "$root/bin/rustc" ] || absent "A component" "host/prebuilt/rebuild.sh brings its compiler"; cat said >&2; return 1; }
        grep -qxF "shape     component" said
        echo '{}' >answers.json
        expect "$target" made.wasm object 'arguments: [{"shouldExecute":false}]'
        expect "$target" made.wasm skip 'skipped: the price did not move'
    done

    [ -d "$qjs/node_modules/componentize-qjs" ] ||
        npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$qjs" "componentize-qjs@$version" || absent "A component in JavaScript" "npm has no componentize-qjs $version"
    mkdir "$scratch/js" && cd "$scratch/js"
    "$qjs/node_modules/.bin/componentize-qjs" --sync --wit "$top/wit/argus-script.wit" --world script \
        --js "$top/tests/guests/good/component-js/script.js" --output made.wasm >/dev/null
    echo "$price" >answers.json
    expect JavaScript made.wasm run 'arguments: ["12.5",1735689600000]'
    expect JavaScript made.wasm skip 'skipped: not today'
}

code=0
for language in rust js go as c components; do
    # A subshell for each; its -e counts only outside of a condition.
    set +e
    (set -e; check_$language)
    ended=$?
    set -e
    ((ended == 0)) || { ((ended == 75)) && code=75; } || { echo "$language: FAILED" >&2; exit 1; }
done
exit $code
