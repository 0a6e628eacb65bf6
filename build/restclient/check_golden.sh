#!/usr/bin/env bash
# Checks the clients of the small schema in testdata with the compilers: that they are valid, and
# that they accept and refuse what use.ts and use.py say.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests=build/restclient/testdata

# The folder is inside node_modules so that the compiler finds its modules.
folder=$(mktemp -d -p "$PWD/node_modules")
trap 'rm -rf "$folder"' EXIT

mkdir -p "$folder/src/gen" "$folder/b2b_protocol/gen"
echo '{"type": "module"}' >"$folder/package.json"
cp sdk/typescript/tsconfig.json "$folder"
cp sdk/typescript/src/{call,clock,download,error,operations,pages,rest,transport}.ts "$folder/src"
# The rest of the SDK is for the whole schema.
grep -E '"\./(error|gen/rest/[a-z]+|rest|transport)\.js"' sdk/typescript/src/index.ts >"$folder/src/index.ts"
cp -r $tests/typescript/rest "$folder/src/gen"
cp $tests/use.ts "$folder/src"
node_modules/.bin/tsc --project "$folder" --noEmit

cp sdk/python/src/b2b_protocol/{_body,_call,_error,_http,_pages,errors,transport,types}.py sdk/python/src/b2b_protocol/py.typed "$folder/b2b_protocol"
{
  grep -E '^from \.(errors|gen\.rest\.operations|transport) ' sdk/python/src/b2b_protocol/__init__.py
  echo '__all__ = ["AsyncRest", "B2BError", "Request", "Rest"]'
} >"$folder/b2b_protocol/__init__.py"
cp -r $tests/python/rest "$folder/b2b_protocol/gen"
touch "$folder/b2b_protocol/gen/__init__.py"
cp $tests/use.py "$folder"
cd "$folder"
../../.venv/bin/mypy --strict --cache-dir ../../.venv/mypy-golden use.py
