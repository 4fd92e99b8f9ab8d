#!/bin/bash
# cargo with the Rust that rebuild.sh unpacks, for the targets that it has: the
# same source gives the same bytes, in whatever folder it and the compiler lie.
# Panics name files by what their folder is for, and symbols have the crate's
# name and version in them where cargo puts a hash of its folder.
#   usage: cargo.sh TOP argument...    TOP: the folder that is named /src
#   WORK=dir   where rebuild.sh built (default: in the cache)
set -euo pipefail
# cargo calls this in place of rustc, with rustc's path and its arguments.
if [ -n "${ARGUS_CARGO_SH:-}" ]; then
    arguments=()
    for argument in "$@"; do
        case $argument in metadata=*) argument=metadata=${CARGO_PKG_NAME:-}-${CARGO_PKG_VERSION:-} ;; esac
        arguments+=("$argument")
    done
    exec "${arguments[@]}"
fi
here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$1" && pwd -P)
shift
root=${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/argus/prebuilt}/root/usr
[ -x "$root/bin/rustc" ] && command -v rustup >/dev/null || { echo "host/prebuilt/rebuild.sh brings this compiler, with rustup's help" >&2; exit 75; }
root=$(cd "$root" && pwd -P)
export ARGUS_CARGO_SH=yes RUSTC_WRAPPER=$here/cargo.sh RUSTC=$root/bin/rustc RUSTC_BOOTSTRAP=1
export LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu PATH=$root/bin:$PATH
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$root=/rust --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$top=/src"
exec "$(cd "$here" && rustup which cargo)" "$@"
