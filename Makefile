# Millrace: the commands of the README. Everything runs with Go, a C++ compiler and make.
GO ?= go
BIN := bin/millrace

DEMO_DIR ?= millrace-demo

.PHONY: build demo example check test soak fmt vet staticcheck e2e bench evaluate clean

build: ## the binary
	$(GO) build -o $(BIN) ./cmd/millrace

demo: build ## everything on simulated vendors, in $(DEMO_DIR); made anew each time
	@if [ -e "$(DEMO_DIR)" ] && [ ! -d "$(DEMO_DIR)/.millrace/twin" ]; then echo "$(DEMO_DIR) is there and is not an earlier demo: choose another folder with DEMO_DIR="; exit 2; fi
	@rm -rf "$(DEMO_DIR)"
	$(BIN) demo --dir "$(DEMO_DIR)"

example: build ## the example end to end: files -> Parquet -> SQL -> published build -> workbook and page
	cd examples/crm-opportunities && ../../$(BIN) run

check: fmt vet staticcheck test e2e ## the test command: what .ci/run calls

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not formatted (gofmt -w):"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) tool staticcheck ./...

test: ## unit, property, script and arch tests with the race detector; skipped tests are counted and listed
	@./.ci/gotest -race -timeout 20m $$($(GO) list ./... | grep -v /e2e)

e2e: build ## fresh project, real input, bad input, kill -9, readers during publishes: against the built binary
	@MILLRACE_E2E=$(CURDIR)/$(BIN) ./.ci/gotest -count=1 -timeout 20m ./cmd/millrace/e2e/...
	@./.ci/gotest -count=1 -timeout 10m -run Fivetran ./cmd/millrace

soak: build ## the long suites whole
	@MILLRACE_SOAK=1 MILLRACE_E2E=$(CURDIR)/$(BIN) ./.ci/gotest -count=1 -timeout 80m ./...

evaluate: build ## how well lists are resolved: one setting, truth read at the end
	$(BIN) resolve evaluate docs/evaluation.yml --slow

bench: ## figures of docs/benchmarks.md
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin
