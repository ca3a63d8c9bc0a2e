# Makefile — a thin front for tools/setup, meson and the tests. `make help` lists the targets.

PREFIX ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
DUCKDB_LIBRARY = $(firstword $(wildcard $(addsuffix /libduckdb.so,$(DUCKDB_ROOT) $(addsuffix /lib,$(DUCKDB_ROOT)) .deps/duckdb)))
DEMO_SECONDS ?=
BENCH ?=

.PHONY: all setup demo test test-asan unit e2e tidy bench interop install uninstall clean fmt format-check help
.DEFAULT_GOAL := all

all: ## build the release binary: build/tarn (default)
	@tools/setup
	@$(MAKE) --no-print-directory build/build.ninja
	ninja -C build
	@ln -sf src/cli/tarn build/tarn
	@echo "built: build/tarn"

build/build.ninja:
	meson setup build -Dbuildtype=release -Dtests=false

demo: ## a private PostgreSQL, Tarn, a live view and a first tour; DEMO_SECONDS=60 ends it by itself
	@tools/setup --demo
	@$(MAKE) --no-print-directory all
	@DEMO_SECONDS=$(DEMO_SECONDS) tools/demo

test: ## unit and end-to-end tests; ends with "N passed, N failed"
	@tools/setup --tests
	@tools/run-tests plain

test-asan: ## the same under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup --tests
	@tools/run-tests asan

unit: ## unit tests only
	@tools/setup --demo
	@tools/run-tests plain unit

e2e: ## end-to-end tests only; PYTEST='-k name' selects
	@tools/setup --tests
	@tools/run-tests plain e2e $(PYTEST)

tidy: ## the repository's rules
	@tools/tidy

bench: ## measure against pg_recvlogical and COPY on this machine; BENCH=--quick shows only that it works
	@tools/setup --bench
	@$(MAKE) --no-print-directory all
	bench/run $(BENCH)

interop: ## read and write the same tables with other engines (large downloads)
	@tools/setup --tests
	@$(MAKE) --no-print-directory all
	tests/interop/run

install: ## to PREFIX (/usr/local), below DESTDIR when given; run `make` first
	@test -x build/src/cli/tarn || { echo "run 'make' first"; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/tarn $(DESTDIR)$(PREFIX)/share/doc/tarn $(DESTDIR)$(UNITDIR)
	install -m 755 build/src/cli/tarn $(DESTDIR)$(PREFIX)/bin/tarn
	$(if $(DUCKDB_LIBRARY),install -m 644 $(DUCKDB_LIBRARY) $(DESTDIR)$(PREFIX)/lib/tarn/libduckdb.so,@echo "libduckdb is the system's own and not copied")
	install -m 644 $(wildcard LICENSE README.md SECURITY.md) $(DESTDIR)$(PREFIX)/share/doc/tarn
	sed 's|@PREFIX@|$(PREFIX)|g' tools/tarn.service > $(DESTDIR)$(UNITDIR)/tarn.service
	@chmod 644 $(DESTDIR)$(UNITDIR)/tarn.service

uninstall: ## what install put there; configuration and data stay
	rm -f $(DESTDIR)$(PREFIX)/bin/tarn $(DESTDIR)$(UNITDIR)/tarn.service
	rm -rf $(DESTDIR)$(PREFIX)/lib/tarn $(DESTDIR)$(PREFIX)/share/doc/tarn

clean: ## remove what was built; .deps and .venv stay
	rm -rf build build-*

fmt: ## clang-format over src and tests
	clang-format -i $$(git ls-files 'src/*.c' 'src/*.h' 'tests/*.c' 'tests/*.h')

format-check: ## what clang-format would change; fails if anything
	clang-format --dry-run --Werror $$(git ls-files 'src/*.c' 'src/*.h' 'tests/*.c' 'tests/*.h')

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22
