#!/usr/bin/env bash
# Compares the schema in the working tree with the one on main and, where there is
# one, with the newest release: what a client was promised must still be there.
#
# The old schema is taken out with `git archive`, which also works in a worktree,
# on a detached head and in a shallow clone.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT

has_schema() { git ls-tree -r --name-only "$1" -- api/b2b 2>/dev/null | grep -q '\.proto$'; }

# against REF NAME
against() {
  if ! has_schema "$1"; then
    echo "buf breaking: $2 has no schema yet, nothing to compare with"
    return
  fi
  rm -rf "${old:?}"/*
  git archive "$1" buf.yaml api | tar -x -C "$old"
  node_modules/.bin/buf breaking --against "$old"
  local note=
  git diff --quiet "$1" -- api && note=", which has this very schema"
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
  left_out "buf breaking against main" "this clone has no main to compare with"
fi

release=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
[ -z "$release" ] || against "$release" "release $release"
