#!/usr/bin/env bash
# The same small job, a 5-byte echo, on this machine in one run: over a bare TCP connection (the floor), through gearmand,
# and through Sigrun over Valkyrie and over HTTP; alone, with 64 and with 512 in flight. Prints a table with ratios.
#
#   bench/peers/dispatch.sh [BUILD_FOLDER]        default: build/release of this tree
#
# Everything runs on loopback, keeps its state in a temporary folder, and is stopped at the end; nothing else is touched.
# Environment: EACH (seconds per measurement, 2), OUTSTANDING ("1 64 512"), WORKERS (gearman workers, 2),
# SLOTS (of the Sigrun runner, 512), PROTOCOLS ("valkyrie http"), DURABILITIES ("memory fsync"), LIMIT (seconds after which no
# measurement begins any more, 75).
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build/release}" 2>/dev/null && pwd) || { echo "no build folder '${1:-build/release}'" >&2; exit 2; }
each=${EACH:-2}
outstanding=${OUTSTANDING:-1 64 512}
workers=${WORKERS:-2}
slots=${SLOTS:-512}
protocols=${PROTOCOLS:-valkyrie http}
durabilities=${DURABILITIES:-memory fsync}
limit=${LIMIT:-75}
work=$(mktemp -d "${TMPDIR:-/tmp}/sigrun-dispatch-XXXXXX")
started=()

# Ends processes this script started, and only those.
finish() {
    for pid in "$@"; do kill "$pid" 2>/dev/null; done
    for pid in "$@"; do
        for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
}
trap 'finish "${started[@]}"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say() { echo "dispatch: $*" >&2; }

# Waits up to 15 s until a command succeeds.
until_works() {
    local until=$((SECONDS + 15))
    while ((SECONDS < until)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
    return 1
}

# member NAME: a number out of the JSON line on stdin.
member() { sed -n "s/.*\"$1\": *\([0-9.eE+-]*\).*/\1/p"; }

rows=$work/rows
commands=()
# record SYSTEM OUTSTANDING COMMAND...: runs one measurement and keeps its numbers; a failure is a row of its own.
record() {
    local system=$1 n=$2 line
    shift 2
    commands+=("$system: ${*//$work/\$TMP}")
    if ((SECONDS >= limit)); then
        say "$system with $n in flight is left out: the limit of $limit s is over"
        echo "$system $n - - - -" >>"$rows"
    elif line=$(timeout $((${each%.*} + 10)) "$@" 2>"$work/error") && [ -n "$line" ]; then
        line=$(tr -d '\n' <<<"$line")
        echo "$system $n $(member jobs_per_s <<<"$line") $(member p50_us <<<"$line") $(member p99_us <<<"$line") $(member errors <<<"$line")" >>"$rows"
    else
        say "$system with $n in flight failed: $(tail -n 1 "$work/error")"
        echo "$system $n - - - -" >>"$rows"
    fi
}

measure_floor() {
    "$build/bench/peer_tcp" server >"$work/floor.port" &
    local pid=$!
    started+=("$pid")
    until_works test -s "$work/floor.port" || { say "the TCP echo did not start"; return; }
    for n in $outstanding; do
        record tcp "$n" "$build/bench/peer_tcp" client "$(cat "$work/floor.port")" "$n" "$each"
    done
    finish "$pid"
}

free_port() { # of this moment; gearmand cannot choose one itself
    for _ in $(seq 50); do
        local port=$((20000 + RANDOM % 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

measure_gearman() {
    local server
    server=$(PATH=$PATH:/usr/sbin command -v gearmand)
    if [ -z "$server" ] || [ ! -x "$build/bench/peer_gearman_client" ]; then
        say "gearmand or libgearman is not installed (gearman-job-server, libgearman-dev): left out"
        return
    fi
    local port pids=()
    port=$(free_port)
    "$server" --listen=127.0.0.1 --port="$port" --log-file="$work/gearmand.log" &
    pids+=($!)
    started+=($!)
    until_works bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" || { say "gearmand did not start"; return; }
    for _ in $(seq "$workers"); do
        "$build/bench/peer_gearman_worker" "$port" 2>"$work/worker.log" &
        pids+=($!)
        started+=($!)
    done
    for n in $outstanding; do record gearman "$n" "$build/bench/peer_gearman_client" "$port" "$n" "$each"; done
    finish "${pids[@]}"
}

measure_sigrun() {
    local protocol=$1 durability url daemon runner
    if [ ! -x "$build/bin/sigrund" ] || [ ! -x "$build/bin/sigrun-runner" ] || [ ! -x "$build/bin/sigrun" ]; then
        say "$build/bin has no sigrund, sigrun-runner and sigrun: left out"
        return
    fi
    mkdir -p "$work/$protocol/daemon" "$work/$protocol/runner"
    "$build/bin/sigrund" --state-dir "$work/$protocol/daemon" --set server.listen=127.0.0.1:0 --set log.level=warning \
        >"$work/$protocol/daemon.out" 2>"$work/$protocol/daemon.err" &
    daemon=$!
    started+=("$daemon")
    until_works grep -q "listening on 127" "$work/$protocol/daemon.out" ||
        { say "sigrund did not start: $(tail -n 2 "$work/$protocol/daemon.err")"; finish "$daemon"; return; }
    url=$protocol://$(sed -n 's/^listening on \(127\..*\)/\1/p' "$work/$protocol/daemon.out" | head -n 1)
    "$build/bin/sigrun-runner" --url "$url" --name r1 --slots "$slots" --state-dir "$work/$protocol/runner" \
        >"$work/$protocol/runner.out" 2>"$work/$protocol/runner.err" &
    runner=$!
    started+=("$runner")
    local load=("$build/bin/sigrun" bench --url "$url" --kind call --command echo --payload hello --output json)
    if ! until_works timeout 5 "${load[@]}" --jobs 1 --durability memory; then
        say "no job came back over $protocol; the runner says: $(tail -n 1 "$work/$protocol/runner.err")"
        for n in $outstanding; do echo "sigrun-$protocol $n - - - -" >>"$rows"; done
        finish "$runner" "$daemon"
        return
    fi
    for durability in $durabilities; do
        for n in $outstanding; do
            record "sigrun-$protocol-$durability" "$n" "${load[@]}" --outstanding "$n" --seconds "$each" --durability "$durability"
        done
    done
    finish "$runner" "$daemon"
}

# Time of one durable 4 KiB write, which bounds what fsync durability can do here.
disk_us() {
    local t
    t=$(LC_ALL=C dd if=/dev/zero of="$work/disk" bs=4k count=200 oflag=dsync 2>&1 | sed -n 's/.* copied, \([0-9.e-]*\) s.*/\1/p')
    rm -f "$work/disk"
    [ -n "$t" ] && awk -v t="$t" 'BEGIN { printf "%.0f us", t / 200 * 1e6 }' || echo unknown
}

measure_floor
measure_gearman
for protocol in $protocols; do measure_sigrun "$protocol"; done

echo "machine:  $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r)"
echo "load:     $(cut -d ' ' -f 1-3 /proc/loadavg) (includes this run)"
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' "$build/CMakeCache.txt")
echo "compiler: $("${compiler:-c++}" --version 2>/dev/null | head -n 1), $(sed -n 's/^CMAKE_BUILD_TYPE:[^=]*=//p' "$build/CMakeCache.txt")"
echo "disk:     $(disk_us) per durable 4 KiB write in $(dirname "$work")"
echo "peers:    gearmand $(PATH=$PATH:/usr/sbin gearmand --version 2>/dev/null | sed -n 's/^gearmand \([^ ]*\).*/\1/p') in memory with $workers workers; Sigrun runner with $slots slots"
echo "job:      5-byte echo, closed loop, one client process, $each s per line"
echo
awk '
    { key[NR] = $1; n[NR] = $2; rate[NR] = $3; p50[NR] = $4; p99[NR] = $5; errors[NR] = $6
      if ($1 == "tcp") floor[$2] = $3; if ($1 == "gearman") peer[$2] = $3 }
    function fixed(a) { return a == "-" ? a : sprintf("%.1f", a) }
    function ratio(a, b) { return a != "-" && b > 0 ? sprintf("%.3g", a / b) : "-" }
    END {
        printf "%-24s %9s %12s %11s %11s %7s %10s %11s\n", "system", "in flight", "jobs/s", "p50 us", "p99 us", "errors", "x floor", "x gearmand"
        for (i = 1; i <= NR; ++i)
            printf "%-24s %9s %12s %11s %11s %7s %10s %11s\n", key[i], n[i], rate[i] == "-" ? "failed" : sprintf("%.0f", rate[i]),
                fixed(p50[i]), fixed(p99[i]), errors[i], ratio(rate[i], floor[n[i]]), ratio(rate[i], peer[n[i]])
    }' "$rows"
echo
echo "commands:"
printf '  %s\n' "${commands[@]}"
! grep -q -- ' - - - -$' "$rows"
