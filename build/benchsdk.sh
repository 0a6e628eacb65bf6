#!/usr/bin/env bash
# Measures the SDKs: what a call of send costs beside a bare POST, how many events a second listen
# handles, and whether 500 clients of one process come back from a restart of their server without a
# herd. Run it on a machine that does nothing else. `benchsdk.sh go typescript` runs only these.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

folder=$(mktemp -d -p "$PWD/node_modules") # the compiled SDK finds its modules there
trap 'rm -rf "$folder"' EXIT
CGO_ENABLED=0 go build -ldflags='-s -w' -o "$folder/b2b" ./cmd/b2b
export B2B_BINARY="$folder/b2b" B2B_SDK="$folder/sdk" PYTHONPATH="$PWD/sdk/python/src" PYTHONDONTWRITEBYTECODE=1
echo '{"type": "module"}' >"$folder/package.json"

# The output of `go test -bench` as the lines of the other languages.
in_go() {
  go -C sdk/go test . -run '^$' -bench 'Benchmark(Send|Listen)$' -count 1 | awk '
    { sub(/-[0-9]+$/, "", $1) }
    $1 == "BenchmarkSend/SDK" { sdk = $3 / 1000 }
    $1 == "BenchmarkSend/net/http" { bare = $3 / 1000 }
    $1 == "BenchmarkListen" { events = 1e9 / $3 }
    END {
      if (!sdk || !bare || !events) exit 1
      printf "go: send %.0f µs, net/http %.0f µs: ratio %.2f\n", sdk, bare, sdk / bare
      printf "go: listen %.0f events/s (websocket)\n", events
    }'
}

in_typescript() {
  node sdk/typescript/build.mjs "$B2B_SDK"
  node sdk/typescript/bench/bench.mjs
  node sdk/typescript/bench/herd.mjs
}

in_python() {
  .venv/bin/python sdk/python/bench/bench.py
}

[ $# -gt 0 ] || set -- go typescript python
for language; do
  case $language in
  go | typescript | python) "in_$language" ;;
  *) die "there is no SDK for $language: name go, typescript or python" ;;
  esac
done
