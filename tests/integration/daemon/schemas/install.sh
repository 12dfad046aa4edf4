#!/usr/bin/env bash
# install.sh FOLDER: installs what others publish to judge documents by (OpenAPI, OTLP), at the versions of package.json, into FOLDER.
# Exit code 77: the registry cannot be reached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder"
exec 9>"$folder/.lock"
flock 9  # tests run side by side
cp "$here"/*.js "$folder/"  # modules are looked for beside the program
if [ -f "$folder/package.json" ] && cmp -s "$here/package.json" "$folder/package.json" && [ -f "$folder/installed" ]; then
    exit 0
fi
command -v npm >/dev/null || { echo "npm is not installed (etc/install-deps.sh)"; exit 1; }
if ! npm ping --fetch-timeout=20000 --fetch-retries=1 >/dev/null 2>&1; then
    echo "the npm registry cannot be reached, so there are no published schemas to test with"
    exit 77
fi
cp "$here/package.json" "$folder/package.json"
rm -f "$folder/installed"
cd "$folder"
npm install --no-audit --no-fund --ignore-scripts --loglevel=error
touch installed
