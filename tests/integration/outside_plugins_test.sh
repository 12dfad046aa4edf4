#!/usr/bin/env bash
# Installs the SDK into an empty prefix, builds the outside project from nothing else, and loads what it made.
# usage: outside_plugins_test.sh SOURCE_DIR BUILD_DIR CMAKE
set -euo pipefail
source=$1 build=$2 cmake=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --component sdk --prefix "$work/prefix" >/dev/null
# A copy, so that no relative path leads back into the tree.
cp -r "$source/tests/integration/outside_plugins" "$work/project"
cp "$source/sdk/examples/first_fit/first_fit.c" "$work/project"
"$cmake" -G Ninja -S "$work/project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release >"$work/log" 2>&1 \
    && "$cmake" --build "$work/build" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
! grep -rqF "$source" "$work/prefix" || { echo "the installed SDK names the source tree:"; grep -rlF "$source" "$work/prefix"; exit 1; }

"$source/tests/abi/exports_test.sh" "$work/build/plugins"

# The same C source through pkg-config, without CMake.
export PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name sigrun.pc)")
mkdir "$work/by_hand" "$work/by_hand/balancers"
cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fPIC -fvisibility=hidden $(pkg-config --cflags sigrun) \
    -shared -Wl,--version-script="$(pkg-config --variable=versionscript sigrun)" -Wl,-z,noexecstack \
    -o "$work/by_hand/balancers/first_fit.so" "$work/project/first_fit.c"
"$source/tests/abi/exports_test.sh" "$work/by_hand"

printf '[instance first]\ncomponent = first_fit:first_fit\n' >"$work/one.ini"
load() { "$build/tests/load_plugins" "$@" 2>"$work/err" || { cat "$work/err"; return 1; }; }
expect() { # jq filter, wanted, file
    got=$(jq -r "$1" "$3")
    [ "$got" = "$2" ] || { echo "$1: expected $2, found $got"; cat "$3"; exit 1; }
}
load "$work/build/plugins" "$work/one.ini" >"$work/list.json"
expect 'length' 2 "$work/list.json"
expect 'map(select(.active)) | length' 2 "$work/list.json"
expect '.[] | select(.id == "example.first-fit") | .components[0].instances | join(",")' first "$work/list.json"
expect '.[] | select(.id == "com.example.load-probe") | .components[0].instances | join(",")' load_probe "$work/list.json"
load "$work/by_hand" "$work/one.ini" >"$work/list.json"
expect '.[0].active' true "$work/list.json"

# Both do their work, not only load.
"$build/tests/use_outside_plugins" "$work/build/plugins"
