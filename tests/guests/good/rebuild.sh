#!/bin/bash
# Rebuilds the guests that a toolchain made and says whether they are what is
# committed. With --write the results replace the committed files and their
# sha256.
#
# Needs what host/prebuilt/rebuild.sh unpacks (run that first), npm, apt-get
# and dpkg. Other versions of the compilers make other bytes; where one is not
# to be had it ends with 75, and nothing was compared.
#   WORK=dir   where host/prebuilt/rebuild.sh unpacked the compilers
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../../.." && pwd -P)
WORK=${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/argus/prebuilt}
write=no
for arg in "$@"; do case $arg in --write) write=yes ;; *) echo "usage: $0 [--write]" >&2; exit 64 ;; esac; done
root=$WORK/root/usr out=$WORK/guests
mkdir -p "$out"

# Also where nothing can be built.
[ $write = yes ] || (cd "$here" && sha256sum --quiet -c SHA256SUMS)

unavailable() {
    echo "the compilers of the guests are not to be had: $1" >&2
    exit 75
}

[ -e "$WORK/root/.complete" ] || unavailable "run host/prebuilt/rebuild.sh first"
for tool in npm apt-get dpkg rustup cargo; do command -v "$tool" >/dev/null || unavailable "$tool is not here"; done
libc=wasi-libc=0.0~git20220510.9886d3d-2
[ -d "$out/libc" ] || (cd "$out" && apt-get download -qq "$libc" 2>/dev/null && dpkg -x wasi-libc_*.deb libc) || unavailable "$libc"
libc=$out/libc/usr
lib=$libc/lib/wasm32-wasi
asc=0.28.20
[ -d "$out/node_modules/assemblyscript" ] || npm install --silent --no-save --prefix "$out" "assemblyscript@$asc" >/dev/null || unavailable "assemblyscript $asc"

rust() { # crate, target, further flags
    (cd "$here/$1" && RUSTFLAGS="-C link-self-contained=no -L native=$lib ${3:-}" CARGO_TARGET_DIR=$out/target \
        "$top/host/prebuilt/cargo.sh" "$here" build --quiet --release --locked --target "$2" -Zbuild-std=std,panic_abort)
}

finish() { # built file, name
    if cmp -s "$1" "$here/$2"; then echo "$2: as committed"; return; fi
    if [ $write = yes ]; then
        cp "$1" "$here/$2"
        chmod 644 "$here/$2"
        echo "$2: replaced"
    else
        echo "$2: DIFFERS from what is committed" >&2
        exit 1
    fi
}

rust component-rust wasm32-wasip2
finish "$out/target/wasm32-wasip2/release/component_rust.wasm" component-rust.wasm
rust command-rust wasm32-wasip1 "-C link-arg=$lib/crt1-command.o"
finish "$out/target/wasm32-wasip1/release/command-rust.wasm" command-rust.wasm

clang=$root/lib/llvm-19
LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu:$clang/lib "$clang/bin/clang" --target=wasm32-wasi -O2 \
    -nostdinc -isystem "$clang/lib/clang/19/include" -isystem "$libc/include/wasm32-wasi" -nostdlib -fuse-ld="$root/bin/wasm-ld-19" \
    "$here/command-c/main.c" "$lib/crt1-command.o" "$lib/libc.a" "$clang/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a" \
    -Wl,--strip-all -o "$out/command-c.wasm"
finish "$out/command-c.wasm" command-c.wasm

"$out/node_modules/.bin/asc" "$here/reactor-as/index.ts" -O3s --runtime minimal --use abort= -o "$out/reactor-as.wasm"
finish "$out/reactor-as.wasm" reactor-as.wasm

[ $write = no ] || (cd "$here" && sha256sum ./*.wasm > SHA256SUMS)
