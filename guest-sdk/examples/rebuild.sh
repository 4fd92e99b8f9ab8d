#!/bin/bash
# Rebuilds the modules of all scripts in Rust, AssemblyScript and C (here and
# in tests/guests/real) and says whether they are what is committed. With
# --write the results replace the committed ones and modules.sha256.
#
# Uses the compilers that host/prebuilt/rebuild.sh unpacks, for Rust and C, and
# AssemblyScript from npm. Where one is not to be had, its language is not
# compared and the script ends with 75.
#   WORK=dir   where host/prebuilt/rebuild.sh built (default: in the cache)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/argus
work=${WORK:-$cache/prebuilt}
root=$work/root/usr
out=$cache/guests
asc=0.28.20
write=no languages=()
for arg in "$@"; do case $arg in --write) write=yes ;; rust | as | c) languages+=("$arg") ;; *) echo "usage: $0 [rust] [as] [c] [--write]" >&2; exit 64 ;; esac; done
((${#languages[@]})) || languages=(rust as c)
mkdir -p "$out"
code=0

folders() { ls -d "$here/$1"/*/ "$top/tests/guests/real/$1"/*/; }

absent() {
    echo "$1: not compared, $2" >&2
    code=75
}

# compare BUILT FOLDER
compare() {
    local place=${2%/}/module.wasm
    if cmp -s "$1" "$place"; then return; fi
    if [ $write = yes ]; then cp "$1" "$place"; chmod 644 "$place"; else
        echo "${place#"$top/"}: DIFFERS from what is committed" >&2
        code=1
    fi
}

build_rust() {
    local folder name ended=0
    # The stack of the template: cargo.sh sets flags, so that cargo reads none of a file.
    (cd "$here/rust" && RUSTFLAGS="-Clink-arg=-zstack-size=81920" CARGO_TARGET_DIR=$out/rust "$top/host/prebuilt/cargo.sh" "$top" build --quiet --release --locked --examples \
        --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort -Zbuild-std-features=) || ended=$?
    ((ended != 75)) || { absent Rust "host/prebuilt/rebuild.sh brings its compiler"; return; }
    ((ended == 0)) || exit $ended
    for folder in $(folders rust); do
        name=$(basename "$folder")
        compare "$out/rust/wasm32-unknown-unknown/release/examples/${name//-/_}.wasm" "$folder"
    done
}

build_as() {
    local folder tool=$out/asc/node_modules/.bin/asc
    [ "$("$tool" --version 2>/dev/null)" = "Version $asc" ] ||
        npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$out/asc" "assemblyscript@$asc" || { absent AssemblyScript "npm has no assemblyscript $asc"; return; }
    for folder in $(folders as); do
        folder=${folder#"$top/"}
        (cd "$top" && "$tool" "${folder}index.ts" -O3 --shrinkLevel 2 --runtime stub --use abort=guest-sdk/as/argus/abort --outFile "$out/as.wasm")
        compare "$out/as.wasm" "$top/$folder"
    done
}

build_c() {
    local folder clang=$root/lib/llvm-19/bin/clang
    [ -x "$clang" ] || { absent C "host/prebuilt/rebuild.sh brings its compiler"; return; }
    for folder in $(folders c); do
        LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu:$root/lib/llvm-19/lib "$clang" -target wasm32-unknown-unknown -fuse-ld="$root/bin/wasm-ld-19" \
            -std=c17 -O2 -Wall -Wextra -Werror -ffreestanding -fno-builtin -nostdlib -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536 \
            -I "$here/../c" -o "$out/c.wasm" "${folder}main.c"
        compare "$out/c.wasm" "$folder"
    done
}

for language in "${languages[@]}"; do "build_$language"; done
cd "$top"
modules=(guest-sdk/examples/*/*/module.wasm tests/guests/real/*/*/module.wasm)
if [ $write = yes ]; then sha256sum "${modules[@]}" >guest-sdk/examples/modules.sha256; else sha256sum --quiet -c guest-sdk/examples/modules.sha256 || code=1; fi
exit $code
