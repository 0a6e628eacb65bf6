#!/usr/bin/env bash
# Runs the blocks of pages against a server that it builds: build/docsrun.sh [-v] [-keep FOLDER]
# [PAGE…]. The comment of build/docsrun says how; without a page, it runs all.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
CGO_ENABLED=0 go build -ldflags='-s -w' -o "$folder/" ./cmd/b2b ./build/docsrun
"$folder/docsrun" -server "$folder/b2b" "$@"
