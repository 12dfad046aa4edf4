#!/usr/bin/env bash
# npm_tools.sh SOURCE FOLDER: brings the programs of SOURCE, and the packages they need at the versions of its package.json, into
# FOLDER. Exit code 77: the registry cannot be reached.
set -euo pipefail
source=$1 folder=$2
mkdir -p "$folder"
exec 9>"$folder/.lock"
flock 9  # tests run side by side
find "$source" -maxdepth 1 -regextype posix-extended -regex '.*\.m?js' -exec cp -t "$folder" {} +  # modules are looked for beside the program
if cmp -s "$source/package.json" "$folder/installed"; then
    exit 0
fi
command -v npm >/dev/null || { echo "npm is not installed (etc/install-deps.sh)"; exit 1; }
if ! npm ping --fetch-timeout=20000 --fetch-retries=1 >/dev/null 2>&1; then
    echo "the npm registry cannot be reached, so there is nothing of it to test with"
    exit 77
fi
cp "$source/package.json" "$folder/package.json"
cd "$folder"
npm install --no-audit --no-fund --ignore-scripts --loglevel=error
cp package.json installed
