#!/usr/bin/env bash
# Fails when the schema in the working tree has a breaking change against main or against the
# newest release.
#
# It reads the old schema with `git archive`, which also works in a worktree, on a detached
# head and in a shallow clone.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT

has_schema() { git ls-tree -r --name-only "$1" -- api/b2b 2>/dev/null | grep -q '\.proto$'; }

# against REF NAME: compares with the schema of a git ref.
against() {
  if ! has_schema "$1"; then
    echo "buf breaking: $2 has no schema yet, nothing to compare with"
    return
  fi
  rm -rf "${old:?}"/*
  git archive "$1" buf.yaml api | tar -x -C "$old"
  node_modules/.bin/buf breaking --against "$old"
  local note=
  git diff --quiet "$1" -- api && note=", which has the same schema"
  echo "buf breaking: nothing breaks against $2 ($(git rev-parse --short "$1"))$note"
}

main=
for ref in refs/heads/main refs/remotes/origin/main; do
  if git rev-parse -q --verify "$ref^{commit}" >/dev/null; then
    main=$ref
    break
  fi
done
if [ -n "$main" ]; then
  against "$main" main
else
  left_out "buf breaking against main" "this clone has no branch main"
fi

release=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
[ -z "$release" ] || against "$release" "release $release"
