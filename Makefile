SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# The one set of build tags: OpenPGP in Go, no btrfs headers, and a C library that may be linked statically.
TAGS := containers_image_openpgp,exclude_graphdriver_btrfs,netgo,osusergo,sqlite_omit_load_extension
export GOFLAGS := -trimpath -tags=$(TAGS)
export GOTOOLCHAIN := local

# What must build and pass without cgo, tags and root.
LIGHT := ./pkg/diag/... ./pkg/recipe/... ./pkg/plan/... ./pkg/containerfile/... ./pkg/kernel/... ./pkg/check/... \
	./pkg/progress/... ./pkg/image ./pkg/packagedb/... ./pkg/repofile/... ./pkg/diff/... ./pkg/chunk/... ./pkg/host/... ./pkg/scaffold/... ./pkg/pipeline/...

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .cache/bin/golangci-lint-$(GOLANGCI_VERSION)
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
EXAMPLE := examples/debian-minimal/recipe.yaml

.PHONY: build
build: deps-build ## bin/bootkiln
	go build -o bin/bootkiln ./cmd/bootkiln

.PHONY: dist
dist: deps-build ## dist/bootkiln, stripped and statically linked, for any Linux of this architecture
	go build -ldflags '-s -w -linkmode external -extldflags "-static"' -o dist/bootkiln ./cmd/bootkiln
	@ls -l --block-size=1 dist/bootkiln | awk '{printf "dist/bootkiln: %.1f MB\n", $$5 / 1e6}'

.PHONY: test
test: deps-build deps-test ## every test that needs no root
	go test $$(comm -23 <(go list ./... | sort) <(go list $(LIGHT) | sort))
	go test -race $(LIGHT)
	CGO_ENABLED=0 GOFLAGS=-trimpath go test $(LIGHT)

.PHONY: e2e
e2e: build base ## the tests that need root, a store and a registry
	go test -count=1 -p 1 -timeout 60m -tags=$(TAGS),e2e ./test/...

.PHONY: boot-matrix
boot-matrix: build base ## what check and boot say of the corpus of unbootable images, as Markdown; an hour in emulation
	mkdir -p .cache
	go test -count=1 -timeout 180m -tags=$(TAGS),e2e -run '^Test(BootCorpus|BootGate|GraphicalBoot)$$' ./test -args -matrix $(CURDIR)/.cache/boot-matrix.md || failed=$$?; \
		cat .cache/boot-matrix.md; exit $${failed:-0}

.PHONY: bench
bench: build base ## overhead over buildah, memory of a publish, time of a check
	go test -run '^$$' -bench . -benchmem -benchtime 0.2s $$(git grep -l '^func Benchmark' -- 'pkg/*_test.go' | xargs dirname | sort -u | sed 's,^,./,')
	go test -timeout 60m -tags=$(TAGS),e2e -run '^$$' -bench . -benchmem ./test

.PHONY: chunk-pair
chunk-pair: deps-bed ## what an update of a real desktop costs; makes two of 4.4 GB, once a week
	hack/desktop-pair
	go run ./pkg/internal/updatecost .cache/desktop-pair/stable .cache/desktop-pair/updated

.PHONY: demo
demo: ## a recipe from YAML to a signed tag, on a registry of its own
	hack/demo

.PHONY: lint
lint: $(GOLANGCI) deps-bed ## golangci-lint, shellcheck and actionlint
	$(GOLANGCI) run ./...
	GOFLAGS= go run $(ACTIONLINT) .github/workflows/*.yml examples/github-actions/nightly.yml pkg/scaffold/testdata/*.yml
	shellcheck .ci/run hack/*

$(GOLANGCI): | deps-build
	GOFLAGS= GOBIN=$(CURDIR)/.cache/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .cache/bin/golangci-lint $@

.PHONY: vet
vet: deps-build ## go vet, the e2e tests too
	go vet -tags=$(TAGS),e2e ./...

.PHONY: fmt-check
fmt-check: ## fails when a file is not gofmt'ed
	@files=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l) && \
		{ [ -z "$$files" ] || { echo "not gofmt'ed:"; echo "$$files"; exit 1; }; }

.PHONY: fmt
fmt: $(GOLANGCI) ## formats the Go files
	$(GOLANGCI) fmt

.PHONY: generate
generate: build ## rewrites the files that are made from others
	bin/bootkiln render --offline $(EXAMPLE) >Containerfile.example
	bin/bootkiln schema --markdown >recipes/REFERENCE.md

.PHONY: verify
verify: build ## fails when a made file or go.mod is stale, or an example or a bundle has problems
	bin/bootkiln render --offline $(EXAMPLE) | diff -u Containerfile.example -
	bin/bootkiln schema --markdown | diff -u recipes/REFERENCE.md -
	for recipe in examples/*/recipe.yaml; do bin/bootkiln --quiet render --offline "$$recipe" >/dev/null; done
	go mod tidy -diff

.PHONY: base
base: deps-bed ## the test base images, in the machine's image store
	hack/base

.PHONY: registry
registry: deps-bed ## a registry with TLS and a password on 127.0.0.1; `hack/registry stop` ends it
	hack/registry start

.PHONY: deps-build deps-test deps-bed
deps-build deps-test deps-bed:
	@hack/deps $(@:deps-%=%)

.PHONY: clean
clean: ## removes what make made, but not the images in the store
	-hack/registry stop
	rm -rf bin dist .cache

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
