#!/usr/bin/env bash
# install.sh FOLDER: installs the validators, at the versions of package.json, into FOLDER. Exit code 77: the registry cannot be reached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder"
cp "$here/check.js" "$folder/check.js"  # modules are looked for beside the program
if [ -f "$folder/package.json" ] && cmp -s "$here/package.json" "$folder/package.json" && [ -d "$folder/node_modules/ajv-formats" ]; then
    exit 0
fi
command -v npm >/dev/null || { echo "npm is not installed (etc/install-deps.sh)"; exit 1; }
if ! npm ping --fetch-timeout=20000 --fetch-retries=1 >/dev/null 2>&1; then
    echo "the npm registry cannot be reached, so there is no validator of OpenAPI to test with"
    exit 77
fi
cp "$here/package.json" "$folder/package.json"
cd "$folder"
npm install --no-audit --no-fund --ignore-scripts --loglevel=error
