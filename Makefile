# A thin front: meson and ninja build, the scripts do the rest. See CONTRIBUTING.md.

PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build

C_FILES = $(shell git ls-files '*.c' '*.h')
SHELL_FILES := demo.sh test.sh .ci/run bench/run \
	$(filter-out scripts/on-pty scripts/unit-tests scripts/book-coverage,$(wildcard scripts/*)) $(wildcard examples/*/*.sh)
BATS_FILES := $(wildcard tests/lib/*.bash tests/book/*.bats tests/system/*.bats)

all:
	@scripts/build

demo:
	@./demo.sh

test check:
	@./test.sh

deps:
	@scripts/deps build demo test lint

install: all
	meson configure $(BUILD) -Dprefix=$(PREFIX)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD)

# The whole suite under AddressSanitizer and UBSan.
asan:
	DHOW_BUILD=$(CURDIR)/build-asan scripts/build -Db_sanitize=address,undefined -Db_lundef=false
	DHOW_BUILD=$(CURDIR)/build-asan DHOW_CACHE=$(CURDIR)/build/cache \
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	./test.sh

# Every libFuzzer target for FUZZ_SECONDS; what it finds stays in build-fuzz.
FUZZ_SECONDS ?= 60
fuzz:
	@scripts/fuzz $(FUZZ_SECONDS)

coverage:
	@scripts/deps build test coverage
	DHOW_BUILD=$(CURDIR)/build-coverage scripts/build -Db_coverage=true -Dstatic_programs=false
	-DHOW_BUILD=$(CURDIR)/build-coverage DHOW_CACHE=$(CURDIR)/build/cache scripts/run-tests
	mkdir -p coverage
	gcovr --root . --filter src/ --object-directory build-coverage --print-summary \
		--html-details coverage/index.html

lint: lint-format lint-c lint-shell

lint-format:
	clang-format --dry-run -Werror $(C_FILES)

lint-c: compile_commands.json
	printf '%s\n' $(filter src/%.c,$(C_FILES)) | xargs -P $$(nproc) -n 4 clang-tidy -quiet -p .
	cppcheck --quiet --error-exitcode=1 --inline-suppr --project=compile_commands.json \
		--enable=warning,portability --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=internalAstError

lint-shell:
	shellcheck -x $(SHELL_FILES)
	shellcheck -x -e SC2034,SC2154,SC2030,SC2031,SC2317 $(BATS_FILES)

compile_commands.json:
	@scripts/build

bench: all
	@scripts/deps bench
	@bench/run

clean:
	rm -rf build build-* coverage compile_commands.json

.PHONY: all demo test check deps install asan fuzz coverage lint lint-format lint-c lint-shell bench clean
