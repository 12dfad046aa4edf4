#!/usr/bin/env bash
# Every built plugin exports exactly the entry function, has no GNU_UNIQUE symbol, carries the note, and has neither an
# executable stack nor text relocations. No plugin found is a failure.
# usage: exports_test.sh PLUGIN_DIR
set -euo pipefail
shopt -s nullglob
failed=0
complain() { echo "$1: $2"; failed=1; }
files=("$1"/*/*.so)
for file in "${files[@]}"; do
    exported=$(nm -D --defined-only "$file" | awk '{print $NF}' | sort | tr '\n' ' ')
    [ "$exported" = "sigrun_plugin_entry_v1 " ] || complain "$file" "exports: $exported"
    unique=$(nm -D "$file" | awk '$2 == "u"' | wc -l)
    [ "$unique" -eq 0 ] || complain "$file" "$unique GNU_UNIQUE symbols"
    readelf -nW "$file" | grep -q Sigrun || complain "$file" "no note of owner Sigrun"
    ! readelf -dW "$file" | grep -q TEXTREL || complain "$file" "text relocations"
    ! readelf -lW "$file" | grep GNU_STACK | grep -q RWE || complain "$file" "executable stack"
done
echo "${#files[@]} plugins checked"
[ "${#files[@]}" -gt 0 ] || { echo "no plugin below $1"; failed=1; }
exit $failed
