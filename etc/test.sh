#!/usr/bin/env bash
# etc/test.sh [release|asan|tsan|fuzz|coverage] [ctest arguments...]
# Installs what is missing, builds the flavour, runs its tests (default: release, all of them).
#   etc/test.sh asan -L unit     only the unit tests under ASan and UBSan
# etc/test.sh packages: builds Debian packages and container images and tries them on a bare Debian 12 (root; about five minutes)
set -euo pipefail
cd "$(dirname "$0")/.."
flavour=release
case "${1:-}" in
    release|asan|tsan|fuzz|coverage) flavour=$1; shift ;;
    -h|--help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
esac
if [ "${1:-}" = packages ]; then
    etc/install-deps.sh --packages
    etc/build.sh release packages
    python3 -B tests/packages/packages_test.py build/release
    exec python3 -B tests/packages/containers_test.py build/release
fi
if [ "$flavour" = fuzz ]; then etc/build.sh fuzz fuzzers; else etc/build.sh "$flavour"; fi
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# Some tests fork while they have threads, and the child is an agent with threads of its own.
export TSAN_OPTIONS=die_after_fork=0:halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/etc/tsan.supp
if [ "$flavour" = fuzz ]; then
    # Each fuzzer for a short while over its corpus; longer runs are started by hand.
    for fuzzer in build/fuzz/tests/fuzz_*; do
        [ -x "$fuzzer" ] || { echo "no fuzzer was built" >&2; exit 1; }
        name=$(basename "$fuzzer" | sed 's/^fuzz_//')
        "$fuzzer" -max_total_time="${FUZZ_SECONDS:-20}" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
            "$(mktemp -d)" "tests/fuzz/$name.corpus"
    done
    exit 0
fi
jobs=3  # many tests wait for something most of the time
# Sanitized programs need room below the addresses that ASLR may take.
run=()
[ "$flavour" = tsan ] && run=(setarch "$(uname -m)" -R)
"${run[@]}" ctest --test-dir "build/$flavour" --output-on-failure --no-tests=error -j "$jobs" "$@"
if [ "$flavour" = coverage ]; then
    command -v gcovr >/dev/null && gcovr -r . build/coverage --exclude tests --exclude bench --print-summary
fi
