#!/usr/bin/env bash
# Runs the examples of the bridges to agent frameworks with the frameworks, a server and a stand-in for
# models. The frameworks are not among the tools that every build installs. Arguments: names of tests,
# e.g. FrameworksTest.test_langchain.
set -euo pipefail
cd "$(dirname "$0")/.."

# The examples are inside node_modules so that the compiler finds the types of Node.
folder=$(mktemp -d) examples=$(mktemp -d -p "$PWD/node_modules")
trap 'rm -rf "$folder" "$examples"' EXIT
CGO_ENABLED=0 go build -ldflags='-s -w' -o "$folder/b2b" ./cmd/b2b

python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --no-deps -r build/agents/requirements.txt

cp build/agents/package.json sdk/typescript/examples/tsconfig.json sdk/typescript/examples/frameworks/*.ts "$examples"
npm install --prefix "$examples" --loglevel=error >/dev/null
sdk="$examples/node_modules/@b2b-protocol/sdk"
mkdir -p "$sdk"
cp sdk/typescript/package.json "$sdk"
node sdk/typescript/build.mjs "$sdk/dist"
node node_modules/typescript/bin/tsc --project "$examples"

export B2B_BINARY="$folder/b2b" B2B_PYTHON="$folder/python/bin/python" B2B_EXAMPLES="$examples"
export PYTHONPATH="$PWD/sdk/python/src" PYTHONDONTWRITEBYTECODE=1
.venv/bin/python build/agents/frameworks.py "$@"
