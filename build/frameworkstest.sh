#!/usr/bin/env bash
# Runs the examples of the bridges to agent frameworks with the frameworks, a server and a stand-in for
# models. The frameworks are not among the tools that every build installs. Arguments: names of tests,
# e.g. FrameworksTest.test_langchain.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
CGO_ENABLED=0 go build -ldflags='-s -w' -o "$folder/b2b" ./cmd/b2b
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --no-deps -r build/agents/requirements.txt
export B2B_BINARY="$folder/b2b" B2B_PYTHON="$folder/python/bin/python" PYTHONPATH="$PWD/sdk/python/src" PYTHONDONTWRITEBYTECODE=1
.venv/bin/python build/agents/frameworks.py "$@"
