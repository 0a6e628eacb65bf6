#!/usr/bin/env bash
# Fails when a Go file of this repository, committed or not, is not formatted with gofmt.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

mapfile -d '' files < <(git ls-files -z --cached --others --exclude-standard -- '*.go' | sort -zu)
present=()
for file in "${files[@]}"; do
  [ ! -e "$file" ] || present+=("$file")
done
[ ${#present[@]} -gt 0 ] || exit 0

unformatted=$(gofmt -l "${present[@]}")
[ -z "$unformatted" ] || die "not formatted, run gofmt -w on: $unformatted"
