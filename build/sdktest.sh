#!/usr/bin/env bash
# Runs the tests of the TypeScript and Python SDKs and of the Go test kit against a server that it
# builds and starts on a free port, with data in a temporary folder, all SDKs through the faults of
# build/sdkfaults, and the blocks of the documents by build/docsrun.
# With RUNTIMES=1, it runs the TypeScript SDK in Bun and Deno instead. `sdktest.sh faults -runs 10`
# runs only the faults: see the flags of build/sdkfaults.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

# The folder is inside node_modules so that the compiled SDK finds its modules.
folder=$(mktemp -d -p "$PWD/node_modules")
export B2B_BINARY="$folder/b2b"
server= faults= docs= runtimes=
trap 'for process in $server $faults $docs; do kill "$process" 2>/dev/null || true; done; wait; rm -rf "$folder" "$runtimes"' EXIT

CGO_ENABLED=0 go build -ldflags='-s -w' -o "$folder/" ./cmd/b2b ./build/docsrun ./build/sdkfaults ./build/sdkfaults/agent
export B2B_SDK="$folder/sdk" PYTHONPATH="$PWD/sdk/python/src" PYTHONDONTWRITEBYTECODE=1
node sdk/typescript/build.mjs "$B2B_SDK"
echo '{"type": "module"}' >"$folder/package.json"

through_faults=("$folder/sdkfaults" -server "$folder/b2b" -agent "$folder/agent" -typescript "$B2B_SDK" -python .venv/bin/python)
if [ "${1:-}" = faults ]; then
  "${through_faults[@]}" "${@:2}"
  exit
fi
if [ -z "${RUNTIMES:-}" ]; then # they mostly wait, so the tests run at the same time
  "${through_faults[@]}" -seed 8 >"$folder/faults" 2>&1 &
  faults=$!
  "$folder/docsrun" -server "$folder/b2b" -typescript "$B2B_SDK" >"$folder/docs" 2>&1 &
  docs=$!
fi

export B2B_ADMIN_SECRET=sdk-tests B2B_BINARY="$folder/b2b" # tests that kill servers start their own
: >"$folder/log" # the server may start after the first look into it
env B2B_DATA_DIR="$folder/data" B2B_HOST=127.0.0.1 B2B_LOG_LEVEL=info B2B_WEBHOOK_ALLOW=127.0.0.1 "$folder/b2b" serve --port 0 2>"$folder/log" &
server=$!
for _ in $(seq 600); do
  addr=$(sed -nE 's/.*"msg":"listening","addr":"([^"]+)".*/\1/p' "$folder/log")
  [ -z "$addr" ] || break
  kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; die "the server ended before it was listening: see its log above"; }
  sleep 0.1
done
[ -n "$addr" ] || { cat "$folder/log" >&2; die "the server was not listening after 60 seconds: see its log above"; }
export B2B_URL="http://$addr"

# An org and its first bot, which is an admin.
call() { curl -sS --fail-with-body -H 'Content-Type: application/json' "$@"; }
field() { node -pe 'JSON.parse(require("fs").readFileSync(0, "utf8"))[process.argv[1]]' "$1"; }
call -c "$folder/cookies" -o /dev/null -d "{\"type\": \"super_admin\", \"admin_secret\": \"$B2B_ADMIN_SECRET\"}" "$B2B_URL/api/auth/login"
cookie=$(awk '$6 == "hxa_session" { print $7 }' "$folder/cookies") # curl does not send a Secure cookie over plain HTTP
org=$(call -H "Cookie: hxa_session=$cookie" -d '{"name": "sdk"}' "$B2B_URL/api/orgs")
bot=$(call -d "{\"org_id\": \"$(field id <<<"$org")\", \"org_secret\": \"$(field org_secret <<<"$org")\", \"name\": \"tester\"}" "$B2B_URL/api/auth/register")
B2B_TOKEN=$(field token <<<"$bot")
export B2B_TOKEN

node sdk/typescript/test/runtime.mjs
if [ -n "${RUNTIMES:-}" ]; then
  # They have 200 MB, so they are not among the tools that every build installs.
  runtimes=$(mktemp -d)
  cp sdk/typescript/test/runtime.mjs "$runtimes"
  npm install --prefix "$runtimes" --loglevel=error bun@1.4.5 deno@2.9.6 >/dev/null
  "$runtimes/node_modules/.bin/bun" "$runtimes/runtime.mjs"
  DENO_DIR="$runtimes/cache" DENO_NO_UPDATE_CHECK=1 "$runtimes/node_modules/.bin/deno" run --allow-all "$runtimes/runtime.mjs"
  exit
fi
node --experimental-websocket --test --test-reporter=dot sdk/typescript/test/*.test.mjs
.venv/bin/python -m unittest discover --quiet --start-directory sdk/python/tests
status=0
wait "$faults" || status=$?
faults=
cat "$folder/faults"
wait "$docs" || status=$?
docs=
cat "$folder/docs"
exit "$status"
