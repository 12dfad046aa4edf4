#!/usr/bin/env bash
# etc/quickstart.sh [--keep] [--skip-build]
# From a fresh clone to jobs on three different runners: installs what is missing, builds, starts a daemon and three
# runners on loopback, runs real jobs, shows where they ran and why, and stops everything again.
#   --keep         leave it running and say how to use it
#   --skip-build   use the programs in build/release as they are
set -euo pipefail
cd "$(dirname "$0")/.."

keep=no build=yes
for argument in "$@"; do
    case "$argument" in
        --keep) keep=yes ;;
        --skip-build) build=no ;;
        -h|--help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "etc/quickstart.sh: unknown option '$argument' (try --help)" >&2; exit 2 ;;
    esac
done

bold='' dim='' green='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi
step_number=0
step() { step_number=$((step_number + 1)); printf '\n%s%d. %s%s\n' "$bold" "$step_number" "$*" "$plain"; }
say() { printf '   %s\n' "$*"; }
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# Runs sigrun and shows the command as one would type it.
run_sigrun() {
    local word shown='$ sigrun'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=@%+,-]*|'') word="'${word//\'/\'\\\'\'}'" ;;
        esac
        shown+=" $word"
    done
    printf '%s%s%s\n' "$dim" "$shown" "$plain"
    "$bin/sigrun" "$@"
}

bin=${SIGRUN_BUILD_DIR:-$PWD/build/release}/bin
state=$(mktemp -d "${TMPDIR:-/tmp}/sigrun-quickstart-XXXXXX")
pids=() names=()

# Ends what this script started, and nothing else.
stop_all() {
    local i pid
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill -TERM "${pids[i]}" 2>/dev/null || true
    done
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        pid=${pids[i]}
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        if kill -0 "$pid" 2>/dev/null; then
            say "${red}${names[i]} (process $pid) did not stop within 10 s: killed${plain}"
            kill -KILL "$pid" 2>/dev/null || true
        fi
        wait "$pid" 2>/dev/null || true
    done
    pids=() names=()
}
finish() {
    local code=$?
    trap - EXIT INT TERM
    if [ "$code" -eq 130 ] || [ "$code" -eq 143 ]; then
        printf '\ninterrupted; stopping what was started\n'
    elif [ "$code" -ne 0 ]; then
        printf '\n%sSomething went wrong (exit code %d).%s The last lines of each log:\n' "$red" "$code" "$plain"
        for log in "$state"/*.log; do
            [ -s "$log" ] || continue
            printf '%s== %s%s\n' "$bold" "$(basename "$log")" "$plain"
            tail -n 12 "$log"
        done
    fi
    stop_all
    rm -rf "$state"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() {  # NAME COMMAND...
    local name=$1
    shift
    # In a session of its own, so that Ctrl-C reaches this script only and it can stop things in order.
    setsid "$@" >"$state/$name.log" 2>&1 </dev/null &
    pids+=($!)
    names+=("$name")
}
wait_until() {  # SECONDS WHAT COMMAND...
    local seconds=$1 what=$2 end=$((SECONDS + $1)) i
    shift 2
    while [ "$SECONDS" -le "$end" ]; do
        if "$@" >/dev/null 2>&1; then return 0; fi
        for i in "${!pids[@]}"; do
            if ! kill -0 "${pids[i]}" 2>/dev/null; then
                echo "${names[i]} ended while waiting for $what" >&2
                return 1
            fi
        done
        sleep 0.05
    done
    echo "waited $seconds s for $what in vain" >&2
    return 1
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
runner_is() { [ "$("$bin/sigrun" runner show "$1" --output json | jq -r .status)" = "$2" ]; }

step "Build"
if [ "$build" = yes ]; then
    etc/install-deps.sh
    plugins=()
    for folder in plugins/*/*/CMakeLists.txt; do plugins+=("$(basename "$(dirname "$folder")")"); done
    began=$SECONDS
    say "programs and ${#plugins[@]} plugins; the first time takes some minutes (follow it: tail -f $state/build.log)"
    etc/build.sh release sigrund sigrun-runner sigrun-shim sigrun "${plugins[@]}" >"$state/build.log" 2>&1 || {
        tail -n 40 "$state/build.log"
        exit 1
    }
    say "done: build/release ($((SECONDS - began)) s)"
else
    say "skipped: using $bin"
fi
for program in sigrund sigrun-runner sigrun-shim sigrun; do
    [ -x "$bin/$program" ] || { echo "$bin/$program is missing; run without --skip-build" >&2; exit 1; }
done

step "Start a daemon and three runners"
start sigrund "$bin/sigrund" --state-dir "$state/daemon" --set server.listen=127.0.0.1:0
export SIGRUN_URL="valkyrie+unix://$state/daemon/sigrun.sock"
wait_until 20 "the daemon" "$bin/sigrun" version
wait_until 20 "the daemon's address" grep -q '^listening on 127' "$state/sigrund.log"
address=$(sed -n 's/^listening on \(127[0-9.:]*\).*/\1/p' "$state/sigrund.log" | head -n 1)
say "sigrund   at $address, which speaks every protocol, and a UNIX socket"

# The runners dial in and work; who listens and who dials differs on purpose.
north_port=$(free_port)
start north "$bin/sigrun-runner" --listen "127.0.0.1:$north_port" --name north --state-dir "$state/north" \
    --label zone=north --label compiler=yes
start south "$bin/sigrun-runner" --protocol http --url "http://$address" --name south --state-dir "$state/south" \
    --label zone=south
start old python3 tests/fixtures/legacy_runner/legacy_runner.py --port-file "$state/old.port"
wait_until 10 "the legacy runner" test -s "$state/old.port"
wait_until 20 "north's address" grep -q ' listening on ' "$state/north.log"
old_port=$(cat "$state/old.port")
say "north     listens on 127.0.0.1:$north_port and offers all protocols on that one port"
say "south     dials the daemon and speaks nothing but HTTP"
say "old       $(wc -l <tests/fixtures/legacy_runner/legacy_runner.py) lines of plain Python with an HTTP interface; has never heard of Sigrun"
echo
run_sigrun runner add north "127.0.0.1:$north_port"
run_sigrun runner add old "http://127.0.0.1:$old_port" --profile rustci --slots 1 --label zone=attic
for runner in north south old; do wait_until 20 "runner $runner" runner_is "$runner" online; done

step "What was detected"
run_sigrun runner ls
for runner in north south old; do
    echo
    run_sigrun runner show "$runner"
done

step "Run real jobs"
failures=0
declare -a summary
# job TITLE EXPECTED_CODE ARGUMENTS...: runs it as a person would, and checks the exit code.
job() {
    local title=$1 expected=$2 code=0
    shift 2
    title "$title"
    run_sigrun run "$@" || code=$?
    if [ "$code" -eq "$expected" ]; then
        printf '%sexit code %d%s\n' "$green" "$code" "$plain"
        summary+=("${green}ok${plain}      $title")
    else
        printf '%sexit code %d, expected %d%s\n' "$red" "$code" "$expected" "$plain"
        summary+=("${red}FAILED${plain}  $title")
        failures=$((failures + 1))
    fi
}
job "A shell pipeline, anywhere" 0 -- sh -c 'seq 1 1000 | grep 7 | wc -l'
job "A compile, where a label promises a compiler" 0 --requires 'label.compiler == "yes"' -- \
    sh -c 'printf "#include <stdio.h>\nint main(void) { puts(\"compiled and run here\"); return 0; }\n" >hello.c && cc -Wall -o hello hello.c && ./hello'
job "Only one runner meets this requirement" 0 --requires 'label.zone == "south"' -- sh -c 'echo "pid $$ in $PWD"; uname -sr'
job "The same command on the runner that knows nothing of Sigrun" 0 --requires 'label.zone == "attic"' -- \
    sh -c 'echo "hello from $(id -un)"; uname -m'
job "A failing job passes on its own exit code" 3 -- sh -c 'echo "to stderr" >&2; exit 3'

title "A job nobody can run waits, and says why"
run_sigrun submit --requires 'gpu.count >= 64' -- train | tee "$state/out"
waiting=$(tail -n 1 "$state/out")
run_sigrun job explain "$waiting"
run_sigrun job cancel "$waiting"

step "What happened"
run_sigrun job ls
echo
run_sigrun runner ls
echo
for line in "${summary[@]}"; do say "$line"; done
if [ "$failures" -gt 0 ]; then
    echo "$failures jobs did not end as expected" >&2
    exit 1
fi

if [ "$keep" = yes ]; then
    trap - EXIT INT TERM
    cat <<KEEP

${bold}It is still running.${plain} Use it:
   export SIGRUN_URL=$SIGRUN_URL
   export PATH=$bin:\$PATH
   sigrun run -- uname -a
   sigrun runner ls
   sigrun events
   curl -s http://$address/v1/jobs | jq .
Stop it and remove its files:
   kill ${pids[*]}; sleep 2; rm -rf $state
KEEP
else
    step "Stop"
    stop_all
    say "daemon and runners are stopped, $state is removed"
    cat <<BYE

${bold}That was Sigrun:${plain} three runners over two protocols and one foreign contract, one command line.
   etc/quickstart.sh --keep     leaves it running, to play with
   sigrun run -- make test      is the command to remember; README.md has the tour
BYE
fi
