# A thin front: meson and ninja build, the scripts do the rest. See CONTRIBUTING.md.

PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build

C_FILES = $(shell git ls-files '*.c' '*.h')
# Whatever begins as a shell script does.
SHELL_FILES := scripts/lib.sh bench/engines.bash $(shell git ls-files demo.sh test.sh .ci bench scripts examples tests/lib | \
	xargs awk 'FNR == 1 && /^\#!.*sh$$/ { print FILENAME }')
BATS_FILES := $(wildcard tests/lib/*.bash tests/book/*.bats tests/escapes/*.bats tests/runtime/*.bats tests/system/*.bats tests/vm/*.bats)

all:
	@scripts/build

demo example-website-monitor:
	@./demo.sh

# Images from Debian's packages, a registry, two WordPress sites; KEEP=1 leaves them up until Enter.
example-wordpress-farm:
	@scripts/deps build demo examples
	@scripts/build
	@examples/wordpress-farm/run.sh

test check:
	@./test.sh

deps:
	@scripts/deps build demo test lint

# The programs know where they are installed: another PREFIX builds some of them again.
install:
	@scripts/build -Dprefix=$(PREFIX)
	DESTDIR=$(DESTDIR) meson install --no-rebuild -C $(BUILD)

# What the last install wrote, its DESTDIR included.
uninstall:
	ninja -C $(BUILD) uninstall

# The whole suite under AddressSanitizer and UBSan. Reports go to files: the daemon and the shims have nobody who
# looks at their exit code.
asan:
	@scripts/deps build test examples
	DHOW_BUILD=$(CURDIR)/build-asan scripts/build -Db_sanitize=address,undefined -Db_lundef=false
	rm -f build-asan/report.*
	status=0; \
	DHOW_BUILD=$(CURDIR)/build-asan DHOW_CACHE=$(CURDIR)/build/cache \
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:log_path=$(CURDIR)/build-asan/report \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:log_path=$(CURDIR)/build-asan/report \
	./test.sh || status=$$?; \
	if ls build-asan/report.* >/dev/null 2>&1; then cat build-asan/report.*; status=1; fi; \
	exit $$status

# A part of the system tests with a daemon under ThreadSanitizer. G_SLICE: see tests/torture/tsan_glib.c.
TSAN_TESTS ?= lifecycle stress events restore health restart volumes logs
tsan:
	@scripts/deps build test
	DHOW_BUILD=$(CURDIR)/build-tsan scripts/build -Db_sanitize=thread -Db_lundef=false
	scripts/images build busybox
	rm -f build-tsan/report.*
	status=0; \
	DHOW_BUILD=$(CURDIR)/build-tsan DHOW_CACHE=$(CURDIR)/build/cache G_SLICE=always-malloc \
	TSAN_OPTIONS=history_size=4:second_deadlock_stack=1:die_after_fork=0:log_path=$(CURDIR)/build-tsan/report \
	bats $(TSAN_TESTS:%=tests/system/%.bats) || status=$$?; \
	if ls build-tsan/report.* >/dev/null 2>&1; then cat build-tsan/report.*; status=1; fi; \
	exit $$status

# Crashes, failing system calls, a thousand containers, ten thousand runs: see docs/testing.md. An hour or so;
# TORTURE_HOURS=8 goes on with the random parts for so long each, SEED=N repeats one.
torture:
	@scripts/deps build test
	@scripts/build
	@scripts/torture full

# Every libFuzzer target for FUZZ_SECONDS; what it finds stays in build-fuzz.
FUZZ_SECONDS ?= 60
fuzz:
	@scripts/deps build fuzz
	@scripts/fuzz $(FUZZ_SECONDS)

# gcc writes the counters at execve, too: in a container that would be into its files, and complaints into its output.
coverage:
	@scripts/deps build test examples coverage
	DHOW_BUILD=$(CURDIR)/build-coverage scripts/build -Db_coverage=true -Dstatic_programs=false \
		-Dc_args=-fno-builtin-execve
	-DHOW_BUILD=$(CURDIR)/build-coverage DHOW_CACHE=$(CURDIR)/build/cache scripts/run-tests
	mkdir -p coverage
	gcovr --root . --filter src/ --object-directory build-coverage --print-summary \
		--html-details coverage/index.html

lint: lint-deps lint-format lint-c lint-shell

lint-deps:
	@scripts/deps build test examples lint

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

# Beside what is installed; bench-peers installs the rest. SUBJECTS="lifecycle scale": only those. See docs/performance.md.
bench: all
	@scripts/deps bench
	@bench/run $(SUBJECTS)

bench-peers:
	@bench/peers

# What the last run found becomes what the repository says.
bench-results:
	@bench/report $(BUILD)/bench/results.json bench
	cp $(BUILD)/bench/results.json bench/results.json

clean:
	rm -rf build build-* coverage compile_commands.json

.PHONY: all demo example-website-monitor example-wordpress-farm test check deps install uninstall
.PHONY: asan tsan torture fuzz coverage bench bench-peers bench-results clean
.PHONY: lint lint-deps lint-format lint-c lint-shell
