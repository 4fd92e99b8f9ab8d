#!/bin/bash
# Rebuilds js-engine.wasm and ts-strip.wasm from registry packages alone and
# says whether they are what is committed. With --write the results replace
# the committed files and their sha256.
#
# Needs cargo with rustup, patch, apt-get and dpkg. Of Debian's packages clang-19,
# lld-19, libclang-rt-19-dev-wasm32 and rustc-web with their libraries, which
# are unpacked into $WORK/root and not installed. Other versions of them may
# make other bytes, so these very ones are asked for; where they are not to be
# had it ends with 75, and nothing was compared.
#   WORK=dir   where to build (default: a folder in the cache)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
WORK=${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/argus/prebuilt}
only=all write=no
for arg in "$@"; do case $arg in --write) write=yes ;; js | ts) only=$arg ;; *) echo "usage: $0 [js|ts] [--write]" >&2; exit 64 ;; esac; done
mkdir -p "$WORK/debs" "$WORK/root" "$WORK/build"
root=$WORK/root/usr

# The compilers that made what is committed.
clang=1:19.1.7-3~deb12u1 rust=1.96.0+dfsg1-1~deb12u2 llvm=1:22.1.8-1~deb12u1
packages=()
for name in clang-19 libllvm19 lld-19 libclang1-19 libclang-cpp19 libclang-common-19-dev libclang-rt-19-dev-wasm32; do packages+=("$name=$clang"); done
for name in rustc-web libstd-rust-web-1.96 libstd-rust-web-dev rust-web-src rust-web-llvm; do packages+=("$name=$rust"); done
for name in libllvm22 lld-22; do packages+=("$name=$llvm"); done

toolchain() {
    local mark=$WORK/root/.complete wanted=${packages[*]}
    [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ] && return
    for tool in apt-get dpkg rustup cargo patch; do command -v "$tool" >/dev/null || unavailable "$tool is not here"; done
    rm -rf "$WORK/debs" "$WORK/root" && mkdir -p "$WORK/debs" "$WORK/root"
    download || { refresh && download; } || unavailable "apt-get does not have ${packages[*]}"
    for deb in "$WORK"/debs/*.deb; do dpkg -x "$deb" "$WORK/root"; done
    echo "$wanted" > "$mark"
}

download() { (cd "$WORK/debs" && apt-get download -qq "${packages[@]}" 2>/dev/null); }

# The lists of a new machine are empty.
refresh() { if [ "$EUID" = 0 ]; then apt-get update -qq; else sudo -n apt-get update -qq; fi }

unavailable() {
    echo "the compilers of the prebuilt engine are not to be had: $1" >&2
    exit 75
}

quickjs() { # prints the folder of the unpacked rquickjs-sys crate
    local dummy=$WORK/fetch
    mkdir -p "$dummy/src" && touch "$dummy/src/lib.rs"
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\nrquickjs-sys = "=0.14.0"\n' > "$dummy/Cargo.toml"
    (cd "$dummy" && cargo fetch --quiet)
    ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/rquickjs-sys-0.14.0 | head -1
}

build_js() {
    local crate src=$here/js-engine out=$WORK/build
    crate=$(quickjs)
    local resource=$root/lib/llvm-19/lib/clang/19
    { echo '(function (N) { "use strict";'; cat "$src"/prelude/*.js; echo '})'; } > "$out/prelude.js"
    # The engine itself, with our few changes to what it says of positions.
    mkdir -p "$out/quickjs"
    cp "$crate"/quickjs/*.[ch] "$out/quickjs"
    patch --quiet --directory="$out/quickjs" --strip=1 < "$src/quickjs.patch"
    # The crate's operating system shim, with its clock import renamed to ours.
    sed 's/import_module("env"), import_name("__rquickjs_host_now_us")/import_module("host"), import_name("js_now")/' "$crate/wasm-shim/shim.c" > "$out/os.c"
    LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu:$root/lib/llvm-19/lib "$root/lib/llvm-19/bin/clang" \
        --target=wasm32-unknown-unknown -std=gnu23 -O2 -DNDEBUG -D_GNU_SOURCE -DEMSCRIPTEN=1 -DFE_DOWNWARD=0 -DFE_UPWARD=0 \
        -nostdinc -isystem "$resource/include" -isystem "$crate/vendor/wasi-libc/include" -I"$out/quickjs" -I"$src" \
        -Wno-empty-body -ffile-prefix-map="$out/quickjs=quickjs" -ffile-prefix-map="$src=shim" \
        -nostdlib -fuse-ld="$root/bin/wasm-ld-19" \
        "$src/engine.c" "$src/natives.c" "$src/hash.c" "$out/os.c" "$out"/quickjs/{quickjs,libregexp,libunicode,dtoa}.c \
        "$crate/vendor/wasi-libc/lib/libc.a" "$resource/lib/wasi/libclang_rt.builtins-wasm32.a" \
        -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=262144 -o "$out/engine.wasm"
    (cd "$here/snapshot" && CARGO_TARGET_DIR=$WORK/snapshot-target cargo run --quiet --release --locked -- "$out/engine.wasm" "$out/prelude.js" "$out/js-engine.wasm")
    finish js-engine.wasm
}

build_ts() {
    # Panic messages name source files: by the same name on every machine.
    local real
    real=$(cd "$root" && pwd -P)
    (cd "$here/ts-strip" && LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu RUSTC=$root/bin/rustc RUSTC_BOOTSTRAP=1 PATH=$root/bin:$PATH \
        RUSTFLAGS="--remap-path-prefix=$real=/rust --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$here=/src" \
        CARGO_TARGET_DIR=$WORK/ts-target "$(rustup which cargo)" build --release --locked --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort)
    cp "$WORK/ts-target/wasm32-unknown-unknown/release/ts_strip.wasm" "$WORK/build/ts-strip.wasm"
    finish ts-strip.wasm
}

finish() {
    if cmp -s "$WORK/build/$1" "$here/$1"; then echo "$1: as committed"; return; fi
    if [ $write = yes ]; then
        cp "$WORK/build/$1" "$here/$1"
        (cd "$here" && sha256sum "$1" > "$1.sha256")
        echo "$1: replaced"
    else
        echo "$1: DIFFERS from what is committed" >&2
        exit 1
    fi
}

toolchain
[ $only = ts ] || build_js
[ $only = js ] || build_ts
