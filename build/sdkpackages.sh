#!/usr/bin/env bash
# Writes the packages of the SDKs into a folder: the npm tarball, the Python wheel and the sdist. The
# same commit and pinned tools give the same bytes. The Go SDK has no package: its tag is one.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

out=$(realpath "${1:?name the folder: build/sdkpackages.sh dist/release}")
# The folder is inside node_modules so that the compiled SDK finds its modules.
staged=$(mktemp -d -p "$PWD/node_modules")
trap 'rm -rf "$staged"' EXIT
export SOURCE_DATE_EPOCH=1580601600 # the time of all files in the Python packages

node sdk/typescript/pack.mjs "$staged"
output=$(cd sdk/python && ../../.venv/bin/python -m hatchling build -d "$staged" 2>&1) || die "$output"
for package in "$staged"/*.{tgz,whl,tar.gz}; do
  cp "$package" "$out"
  printf '%-32s %5.1f MB\n' "${package##*/}" "$(($(wc -c <"$package") / 10000))e-2"
done
