#!/usr/bin/env bash
# repeats.sh SELECTION_SIM: equal arguments give equal bytes, however many processes work; another seed gives others.
set -euo pipefail
runs=(--regime n20_c1_97,dispatch16_90,sinkhole,controllers4 --jobs 2000 --seeds 2)
one=$("$1" "${runs[@]}" --workers 1 2>/dev/null)
two=$("$1" "${runs[@]}" --workers 3 2>/dev/null)
[ "$one" = "$two" ] || { diff <(echo "$one") <(echo "$two") | head -20 >&2; exit 1; }
[ "$("$1" "${runs[@]}" --json --first-seed 1 2>/dev/null | md5sum)" != "$("$1" "${runs[@]}" --json --first-seed 9 2>/dev/null | md5sum)" ]
grep -q '^Goals' <<<"$one"
! "$1" --regime no_such_regime 2>/dev/null
