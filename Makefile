# `make help` lists the targets. Their scripts are in build/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The generated files. `make test` fails when they are stale.
GENERATED := api/openapi.json sdk/go/b2b sdk/typescript/src/gen sdk/python/src/b2b_protocol/gen 'internal/*.gen.go'

# The code generators of this repository import the Go types of the options, so those are
# generated first.
OPTIONS := {"version": "v2", "plugins": [{"local": ["go", "tool", "protoc-gen-go"], "out": "sdk/go", "opt": "paths=source_relative"}]}

# The modification times of these files are those of the last installation. npm writes the first.
NODE_TOOLS := node_modules/.package-lock.json
PYTHON_TOOLS := .venv/installed
DOCS_TOOLS := .venv/installed-docs
BUF := node_modules/.bin/buf

# The Go SDK is a module of its own, so ./... does not include it.
GO_SDK := github.com/b2b-protocol/b2b/sdk/go/...

heading = @printf '\n== %s\n' '$(1)'

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: tools packages go-tools
tools: packages $(NODE_TOOLS) $(PYTHON_TOOLS) $(DOCS_TOOLS) go-tools ## install what the build needs: Debian, npm and Python packages, Go modules

packages:
	@build/packages.sh

$(NODE_TOOLS): package.json package-lock.json sdk/typescript/package.json
	$(call heading,npm ci)
	@npm ci --loglevel=error >/dev/null
	@touch $@

$(PYTHON_TOOLS): sdk/python/requirements-dev.txt | packages
	$(call heading,pip install)
	@python3 -m venv --clear .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

# These go into the virtual environment, which the rule above creates again when it runs.
$(DOCS_TOOLS): docs/requirements.txt $(PYTHON_TOOLS)
	$(call heading,pip install: documents)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

go-tools:
	@go mod download
	@go -C sdk/go mod download

.PHONY: generate
generate: $(NODE_TOOLS) $(PYTHON_TOOLS) ## write the generated code of every language from api/
	@$(BUF) generate --path api/b2b/options --template '$(OPTIONS)'
	@$(BUF) generate

.PHONY: lint lint-schema lint-sdk lint-go lint-monitoring docs fresh
lint: lint-schema lint-sdk lint-go lint-monitoring docs ## check schema, code and documents, without running the server

lint-schema: $(NODE_TOOLS)
	$(call heading,schema: lint · format · breaking changes)
	@$(BUF) lint
	@$(BUF) format --diff --exit-code
	@build/breaking.sh

lint-sdk: $(NODE_TOOLS) $(PYTHON_TOOLS)
	$(call heading,sdk: TypeScript types, sizes and package · Python imports · types · style)
	@.venv/bin/python sdk/python/check_imports.py
	@.venv/bin/ruff check --quiet --cache-dir .venv/ruff sdk/python
	@.venv/bin/mypy --cache-dir .venv/mypy --config-file sdk/python/pyproject.toml sdk/python/src sdk/python/examples sdk/python/bench
	@node_modules/.bin/pyright --project sdk/python --pythonpath .venv/bin/python
	@out=$$(mktemp -d -p node_modules); trap 'rm -rf "$$out"' EXIT; \
	node sdk/typescript/pack.mjs "$$out"; dist="$$PWD/$$out/package/dist"; \
	node sdk/typescript/check_size.mjs "$$dist"; \
	node sdk/typescript/check_package.mjs "$$out"; \
	node_modules/.bin/publint run --strict "$$out"/*.tgz >"$$out/report" || { cat "$$out/report"; exit 1; }; \
	node_modules/.bin/attw --format ascii "$$out"/*.tgz >"$$out/report" || { cat "$$out/report"; exit 1; }
	@build/restclient/check_golden.sh

# No package uses cgo. Without it, the binary and its tests are built from the same compiled packages.
lint-go:
	$(call heading,go: gofmt · vet · staticcheck · tidy)
	@build/gofmt.sh
	@CGO_ENABLED=0 go vet ./... $(GO_SDK)
	@CGO_ENABLED=0 go tool staticcheck ./... $(GO_SDK)
	@go mod tidy -diff
	@go -C sdk/go mod tidy -diff
	@CGO_ENABLED=0 go -C sdk/go vet ./...

# A module of its own, since the parser of Prometheus comes with all of it.
lint-monitoring:
	$(call heading,alerts and dashboard)
	@CGO_ENABLED=0 go -C build/promcheck vet ./...
	@CGO_ENABLED=0 go -C build/promcheck test ./...

docs: $(DOCS_TOOLS) $(NODE_TOOLS) ## build the documents as a site in dist/site; fails on a broken link
	$(call heading,documents)
	@build/docs.sh

fresh: generate ## fail when generated files are stale
	$(call heading,generated files are fresh)
	@build/fresh.sh $(GENERATED)

.PHONY: test checks test-sdk test-runtimes test-agents test-go test-race test-watched test-binary test-plain
test: tools ## run every check and every test
	@$(MAKE) fresh
	@$(MAKE) -j3 test-binary test-watched checks test-plain

# The output of each check is printed when it ends, since the Go tests run beside them.
checks:
	@$(MAKE) --output-sync=target lint test-sdk

test-sdk: $(NODE_TOOLS) $(PYTHON_TOOLS) ## run the tests of the SDKs that need the built server
	$(call heading,sdk: tests against the built server)
	@build/sdktest.sh

test-runtimes: $(NODE_TOOLS) ## run the TypeScript SDK in Bun and Deno, which it downloads (200 MB)
	$(call heading,sdk: TypeScript in Bun and Deno)
	@RUNTIMES=1 build/sdktest.sh

test-agents: $(NODE_TOOLS) $(PYTHON_TOOLS) ## run MCP's own conformance suite, the real Codex, Gemini CLI and OpenCode, and the agent frameworks, which it downloads (3 GB)
	$(call heading,agents: the conformance suite of MCP; Codex, Gemini CLI, OpenCode)
	@build/agentstest.sh
	$(call heading,agents: bridges to frameworks)
	@build/frameworkstest.sh

test-go: ## run the Go tests without the race detector (PKG=./internal/...)
	$(call heading,go test)
	@RACE=0 build/gotest.sh $(PKG)

test-race: ## run the Go tests with the race detector (PKG=./internal/...)
	$(call heading,go test -race)
	@build/gotest.sh $(PKG)

# The parts of the Go tests in `make test`.
test-watched:
	$(call heading,go test -race)
	@PART=race build/gotest.sh

test-binary: ## run the tests of the built binary
	$(call heading,go test: the built binary)
	@PART=binary build/gotest.sh

test-plain: ## run the tests of which the race detector would see nothing
	$(call heading,go test)
	@PART=plain build/gotest.sh
	@PART=named build/gotest.sh

.PHONY: torture
torture: ## kill servers under load and check what each subscriber received (CHANGES=10000 SEED=… RUN=postgres)
	$(call heading,torture)
	@B2B_TORTURE_CHANGES=$(or $(CHANGES),10000) B2B_TORTURE_SEED=$(SEED) \
	go test ./cmd/b2b -run 'TestTorture/$(RUN)' -parallel 1 -count=1 -timeout 90m -v

.PHONY: torture-sdk
torture-sdk: $(NODE_TOOLS) $(PYTHON_TOOLS) ## run the SDKs through every fault (RUNS=100 EVENTS=1000 SEED=… PARALLEL=4)
	$(call heading,torture of the SDKs)
	@build/sdktest.sh faults -thorough -runs $(or $(RUNS),100) -events $(or $(EVENTS),1000) -parallel $(or $(PARALLEL),4) $(if $(SEED),-seed $(SEED))

.PHONY: bench
bench: ## measure the server against a minimal baseline (BENCH="-rounds 5 -time 10s")
	@build/bench.sh $(BENCH)

.PHONY: capacity
capacity: ## compute what numbers of bots and messages need (BENCH="-demand 500:50000 -cores 8")
	@go run ./bench -only capacity $(BENCH)

.PHONY: bench-sdk
bench-sdk: $(NODE_TOOLS) $(PYTHON_TOOLS) ## measure the SDKs: calls, events, 500 clients of a server that restarts (SDK="go python")
	@build/benchsdk.sh $(SDK)

.PHONY: build
build: ## build bin/b2b: one static binary
	@CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/b2b ./cmd/b2b

.PHONY: release version
release: $(NODE_TOOLS) $(PYTHON_TOOLS) ## build the binaries, the packages of the SDKs, SBOMs and checksums in dist/release
	@build/release.sh

version: ## write the version in VERSION, or V=0.3.0, to every place that names it
	@build/version.sh $(V)

.PHONY: conformance
conformance: build ## check any server: URL=http://localhost:4800 ADMIN_SECRET=…
	@: $${URL:?set URL to that of the server: make conformance URL=http://localhost:4800 ADMIN_SECRET=…}
	@bin/b2b conformance --url "$$URL" --admin-secret "$${ADMIN_SECRET:-}"

.PHONY: clean
clean: ## remove all build results and tools, but not generated code
	@rm -rf bin dist coverage.out node_modules sdk/typescript/node_modules sdk/typescript/dist .venv
