#!/usr/bin/env bash
# quickstart_test.sh BUILD_DIR: etc/quickstart.sh runs to its end with the programs of that build and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/out
TMPDIR=$scratch NO_COLOR=1 SIGRUN_BUILD_DIR=$1 etc/quickstart.sh --skip-build >"$out" 2>&1 || { cat "$out"; exit 1; }
expect() { grep -q -- "$1" "$out" || { cat "$out"; echo "not shown: $1" >&2; exit 1; }; }
expect 'north .*online .*hybrid .*valkyrie grpc http websocket'
expect 'south .*online .*http'
expect 'old .*online .*legacy'
expect '^271$'
expect '^compiled and run here$'
expect ' on south over http: '
expect ' on old over http: '
expect 'gpu.count >= 64'
if grep -qE '^ +FAILED' "$out"; then cat "$out"; exit 1; fi
left=$(ls "$scratch")
[ "$left" = out ] || { echo "left behind: $left" >&2; exit 1; }
if pgrep -f -- "$scratch" >"$scratch/pids"; then
    echo "processes left behind: $(cat "$scratch/pids")" >&2
    exit 1
fi
