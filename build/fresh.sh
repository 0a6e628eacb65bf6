#!/usr/bin/env bash
# Fails when the generated files in the git index differ from those in the working tree. Run it
# after `make generate`. Arguments: the paths that hold generated files.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

git diff --exit-code --stat -- "$@" ||
  die "generated files are stale: run 'make generate' and commit what it changed"

untracked=$(git ls-files --others --exclude-standard -- "$@")
[ -z "$untracked" ] ||
  die "generated files are not committed: $untracked"
