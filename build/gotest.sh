#!/usr/bin/env bash
# Runs the Go tests; the last line is the runner's own. Arguments: packages
# (default: all). RACE=0 leaves the race detector out.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

[ $# -gt 0 ] || set -- ./...

if [ -z "$(go list "$@" 2>/dev/null)" ]; then
  die "there is no Go package in $*"
fi

flags=(-timeout 20m)
export CGO_ENABLED=0
if [ "${RACE:-1}" = 1 ] && command -v "$(go env CC)" >/dev/null; then
  export CGO_ENABLED=1
  flags+=(-race)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
go tool gotestsum --format pkgname --jsonfile "$log" -- "${flags[@]}" "$@" || status=$?

# A skipped test is a test left out: gotestsum counts them, this names them.
skipped=$(grep '"Action":"skip"' "$log" | grep '"Test":' |
  sed -E 's/.*"Package":"([^"]*)","Test":"([^"]*)".*/  \1 \2/' | sort -u || true)
if [ -n "$skipped" ]; then
  printf 'LEFT OUT:\n%s\n' "$skipped" >&2
  [ "${CI:-}" != true ] || status=1
fi
exit "$status"
