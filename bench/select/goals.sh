#!/usr/bin/env bash
# bench/select/goals.sh [BUILD] [arguments of selection_sim...]
# The goals for selection with the figures and whether they are held: speed and memory measured here and now, behaviour
# simulated. About ten minutes on two processors; `--times 20` for a long simulation.
set -euo pipefail
case "${1:-}" in
    -h|--help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
esac
build=${1:-$(dirname "$0")/../../build/release}
shift || true
echo "$(nproc) x $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1-3 /proc/loadavg)"
"$build/bench/selection_goals"
"$build/bench/selection_sim" "$@" 2>/dev/null | sed -n '/^Goals/,$p'
cat <<'NOTE'

Not here: 5 the choice of a protocol and the record of a pick, 15 retries under total outage, 16 hit rate of affinity,
18 shares after each update, 19 explanations. Tests show or refute them where they are built.
NOTE
