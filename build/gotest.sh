#!/usr/bin/env bash
# Runs the Go tests and lists the tests that were skipped. With CI=true, a skipped test fails.
# Arguments: packages (default: all, those of the Go SDK included). RACE=0 runs them without the
# race detector. WATCHED=1 leaves out the packages and tests of which the race detector would see
# nothing. RUN=… runs only the tests that match.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

# Packages start in this order. The longest are first, so that none of them runs alone at the end.
[ $# -gt 0 ] || set -- ./cmd/b2b ./server ./internal/eventlog ./internal/store/sqlstore ./internal/importer ./... github.com/b2b-protocol/b2b/sdk/go/...

# The tests of cmd/b2b run the built binary, which is a process of its own that the race detector of
# the test does not watch. `make test` runs them beside the others, without it.
processes=$(($(getconf _NPROCESSORS_ONLN) + 1))
if [ "${WATCHED:-0}" = 1 ]; then
  processes=$((processes - 1)) # cmd/b2b is the other one
  mapfile -t packages < <(go list "$@" | grep -vx 'github.com/b2b-protocol/b2b/cmd/b2b')
  set -- "${packages[@]}"
fi
# These tests compare or count what databases read, for minutes, and most of that with one call at a
# time. `make test-binary` runs them without the race detector.
tests=()
[ "${WATCHED:-0}" != 1 ] || tests+=(-skip '^Test(Costs|CatchUpModel|CatchUpCost)$')
[ -z "${RUN:-}" ] || tests+=(-run "$RUN")

if [ -z "$(go list "$@" 2>/dev/null)" ]; then
  die "no Go package matches $*"
fi

# Many tests wait for a server, a database or a time limit, so more of them run at once than there
# are cores: -p packages, and in each of them -parallel tests. `make lint` vets all packages.
flags=(-vet=off -timeout 40m -p "$processes" -parallel 4)
export CGO_ENABLED=0
if [ "${RACE:-1}" = 1 ] && command -v "$(go env CC)" >/dev/null; then
  export CGO_ENABLED=1
  # These packages run up to nine times as long when the race detector watches each load and store.
  # SQLite and its allocator are C that was translated to Go; the others compute a result from
  # what they are given. Their callers and everything else are watched.
  flags+=(-race)
  for pure in modernc.org/libc/... modernc.org/memory modernc.org/sqlite/lib regexp/... \
    crypto/pbkdf2 crypto/sha256 crypto/internal/fips140/...; do
    flags+=("-gcflags=$pure=-race=false")
  done
  # At its end, a process with the race detector waits a second for goroutines that still run. The
  # tests end theirs.
  export GORACE="${GORACE:-} atexit_sleep_ms=100"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
go tool gotestsum --format pkgname --jsonfile "$log" -- "${flags[@]}" "${tests[@]}" "$@" || status=$?

# gotestsum only counts the skipped tests.
skipped=$(grep '"Action":"skip"' "$log" | grep '"Test":' |
  sed -E 's/.*"Package":"([^"]*)","Test":"([^"]*)".*/  \1 \2/' | sort -u || true)
if [ -n "$skipped" ]; then
  printf 'LEFT OUT:\n%s\n' "$skipped" >&2
  [ "${CI:-}" != true ] || status=1
fi
exit "$status"
