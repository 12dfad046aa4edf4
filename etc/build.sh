#!/usr/bin/env bash
# etc/build.sh [release|asan|tsan|fuzz|coverage] [target...]
# Configures build/<flavour> and builds it (default: release, everything).
set -euo pipefail
cd "$(dirname "$0")/.."
flavour=release
case "${1:-}" in
    release|asan|tsan|fuzz|coverage) flavour=$1; shift ;;
    -h|--help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
esac
case "$flavour" in
    fuzz) etc/install-deps.sh --fuzz ;;
esac
etc/install-deps.sh
args=()
case "$flavour" in
    asan) args+=(-DSIGRUN_SANITIZE=address,undefined) ;;
    tsan) args+=(-DSIGRUN_SANITIZE=thread) ;;
    coverage) args+=(-DSIGRUN_COVERAGE=ON) ;;
    fuzz) args+=(-DSIGRUN_FUZZ=ON -DSIGRUN_SANITIZE=address,undefined -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++) ;;
esac
dir=build/$flavour
[ -f "$dir/build.ninja" ] || cmake -G Ninja -S . -B "$dir" "${args[@]}" >/dev/null
if [ $# -gt 0 ]; then
    cmake --build "$dir" --target "$@"
else
    cmake --build "$dir"
fi
