# Millrace: the commands of the README. Everything runs with Go, a C++ compiler and make.
GO ?= go
BIN := bin/millrace

.PHONY: build example check test soak fmt vet staticcheck e2e bench clean

build: ## the binary
	$(GO) build -o $(BIN) ./cmd/millrace

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

soak: build ## the long suites whole
	@MILLRACE_SOAK=1 MILLRACE_E2E=$(CURDIR)/$(BIN) ./.ci/gotest -count=1 -timeout 80m ./...

bench: ## figures of docs/benchmarks.md
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin
