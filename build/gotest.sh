#!/usr/bin/env bash
# Runs the Go tests and lists the tests that were skipped. With CI=true, a skipped test fails.
# Arguments: packages (default: all, those of the Go SDK included). RACE=0 runs them without the
# race detector. PART=… runs a part of the tests, as `make test` does: each test is in one part.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

sdk=github.com/b2b-protocol/b2b/sdk/go
# These run without the race detector, which would see nothing of them and take most of their time:
# cmd/b2b tests servers that are processes of their own, and the others compute something or read
# this repository, with one goroutine.
plain=(./cmd/b2b ./internal/importer ./internal/wire ./build/layers ./build/repository)
# So do these tests of other packages. They make one call at a time, thousands of them, compare a
# result with that of a slow model, or measure memory.
in=(./server ./internal/eventlog ./internal/store/sqlstore)
names='^Test(AccessOfEveryCall|ArtifactQuotas|A2AResponsesAreBounded|Bounds|CatchUp(Cost|Model|OfLongArtifacts|OnNodes|Pages)|Costs'
names+='|CrossOrg|DeliveryAllocates|Hostile.*|LargeBodiesAllocateLittle|LargeListsAllocateLittle|LongestContentArrives'
names+='|PagesEndByBytes|QueueBytes|ReplayOfLongEvents|Statements.*|StoredQuotas|UnreadAnswers)$'
# These run in both ways, with the race detector (and -short) for a shorter time.
long='|^Test(RandomReaders|RandomPresence|PostgresLostConnections)$'

tests=()
case "${PART:-}" in
'') ;;
binary) set -- ./cmd/b2b && RACE=0 ;;
plain) set -- "${plain[@]:1}" && RACE=0 ;;
named) set -- "${in[@]}" && RACE=0 && tests=(-run "$names$long") ;;
race)
  leave=$(go list "${plain[@]}")
  mapfile -t packages < <(go list "${in[@]}" ./... $sdk/... | awk '!seen[$0]++' | grep -vxF "$leave")
  set -- "${packages[@]}"
  tests=(-short -skip "$names") # in all packages, so no other may have a test of that name
  files='{{range .TestGoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}'
  mapfile -t others < <(go list -f "$files" "$@" | grep . | grep -vxF "$(go list -f "$files" "${in[@]}")")
  ! grep -nE "^func ${names:1:-1}\(" "${others[@]}" ||
    die "these tests would not run: rename them, or those of the same name in build/gotest.sh"
  ;;
*) die "there is no part $PART of the tests: binary, plain, named or race" ;;
esac
# Packages start in this order. The longest are first, so that none of them runs alone at the end.
[ $# -gt 0 ] || set -- ./cmd/b2b "${in[@]}" ./internal/importer ./... $sdk/...

if [ -z "$(go list "$@" 2>/dev/null)" ]; then
  die "no Go package matches $*"
fi

# Many tests wait for a server, a database or a time limit, so more of them run at once than there
# are cores: -p packages, and in each of them -parallel tests. `make lint` vets all packages.
processes=$(getconf _NPROCESSORS_ONLN)
[ -n "${PART:-}" ] || processes=$((processes + 1)) # nothing runs beside them
# Without what debuggers need, linking takes half the time.
flags=(-vet=off -ldflags=-w -timeout 40m -p "$processes" -parallel 4)
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
