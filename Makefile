# crdtsync: `make help` lists what there is to ask for.
#
# Files are found, not listed: a new module, test, fuzz target, demo source or
# benchmark needs no line here. V=1 shows the commands; WERROR=1 (or CI=true)
# makes warnings errors; BUILD=dir builds elsewhere.
#
# A test program that needs a library says so in a line of its own source:
#     /* pkg-config: sqlite3 */

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# >> settings -----------------------------------------------------------------

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
OPT     ?= -O2 -g
CFLAGS  ?= $(OPT)
# Of tests: a third of the time to compile, and they run hardly longer.
TEST_OPT ?= -Og -g1
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)

FUZZ_RUNS      ?= 10000000
SANITIZE_SEEDS ?= 2000
SOAK_SEEDS     ?= 2000000

STD  := -std=c99
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
	-Wundef -Wcast-qual -Wcast-align -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wswitch-enum -Wwrite-strings \
	-Wdouble-promotion
ifeq ($(CI),true)
WERROR ?= 1
endif
ifneq ($(WERROR),)
WARN += -Werror
endif

CLANG        := $(shell tools/which clang)
CLANG_FORMAT := $(shell tools/which clang-format)
CLANG_TIDY   := $(shell tools/which clang-tidy)
export BUILD CC CLANG CLANG_FORMAT CLANG_TIDY

Q := $(if $(V),,@)
# As parallel as the caller asked, or as there are processors.
submake  = +$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) $(PARALLEL)
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

compile = $(CC) $(STD) $(WARN) $(CFLAGS) $(SANITIZE) \
	-I. -Itransports -Istores -Icodecs -MMD -MP -MT $@ -MF $@.d

# $(call begin,what): makes room for the target and says what is made.
define begin
$(Q)mkdir -p $(@D)
$(Q)rm -f $@
@echo '  $(1) $@'
endef

# $(call require,found,tool)
define require
$(Q)test -n '$(1)' || { echo 'needs $(2): tools/setup --check'; exit 1; }
endef

help: ## says this
	@echo 'make TARGET... [SETTING=value...], where TARGET is'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

# >> the one header -----------------------------------------------------------

build/amalgamate: tools/amalgamate.c
	$(call begin,CC)
	$(Q)$(CC) $(STD) $(WARN) -O1 -o $@ $<

# The wildcards stand for the modules; the directory for one that has gone.
ifneq ($(wildcard src/crdtsync.in.h),)
crdtsync.h: $(wildcard src/*.h) src build/amalgamate
	@echo '  AMALGAMATE $@'
	$(Q)build/amalgamate src/crdtsync.in.h -o $@
endif

ADAPTERS := $(wildcard transports/*.h stores/*.h codecs/*.h)

# >> tests --------------------------------------------------------------------

# Every test/KIND/NAME.c is a program; what is not: targets of libFuzzer, and
# files that exist only to be compiled (tools/check).

TESTS      := $(sort $(filter-out test/fuzz/% test/compile/%,\
	$(wildcard test/*/*.c)))
FUZZ       := $(sort $(filter-out %/replay.c,$(wildcard test/fuzz/*.c)))
SCRIPTS    := $(sort $(wildcard test/*/*.sh))
TEST_PROGS := $(TESTS:%.c=$(BUILD)/%)
FUZZ_PROGS := $(FUZZ:%.c=$(BUILD)/%)

# Those that name crdtsync.h wait for it; -MMD finds the rest.
PUBLIC := $(shell grep -sl 'include.*crdtsync' $(TESTS) $(FUZZ) /dev/null)
$(PUBLIC:%.c=$(BUILD)/%): crdtsync.h

# The flags of the libraries that the source asks for.
needs = $(foreach p,$(shell sed -n 's|.*pkg-config: *\([^*]*\).*|\1|p' $<),\
	$(shell pkg-config --cflags --libs $(p)))

$(TEST_PROGS) $(FUZZ_PROGS): CFLAGS = $(TEST_OPT)
$(TEST_PROGS): $(BUILD)/%: %.c Makefile
	$(call begin,CC)
	$(Q)$(compile) -pthread -o $@ $< $(needs) $(LDFLAGS)

# Without libFuzzer: the target, and a main that feeds it its corpus.
$(FUZZ_PROGS): $(BUILD)/%: %.c $(BUILD)/obj/test/fuzz/replay.o Makefile
	$(call begin,CC)
	$(Q)$(compile) -o $@ $< $(BUILD)/obj/test/fuzz/replay.o $(needs) $(LDFLAGS)

test: ## builds and runs every test
	$(Q)tools/setup
	$(submake) -k programs; BUILD_STATUS=$$? \
		tools/run-tests $(TEST_PROGS) $(FUZZ_PROGS) $(SCRIPTS)

programs: $(TEST_PROGS) $(FUZZ_PROGS) demos

soak: ## the seeded tests for hours: SOAK_SEEDS=2000000
	$(Q)CRDT_SEEDS=$(SOAK_SEEDS) CRDT_DEPTH=4 TEST_SECONDS_MAX=86400 \
		$(MAKE) --no-print-directory test SCRIPTS= FUZZ= TEST_OPT='-O2 -g' \
		TESTS='$(filter test/laws/% test/oom/% test/sim/%,$(TESTS))'

# >> sanitizers ---------------------------------------------------------------
# The same tests, built anew beside the others; scripts of test/compile, which
# test building, are left out.

SANITIZE_CC ?= $(CC)
sanitized = +$(Q)CRDT_SEEDS=$(SANITIZE_SEEDS) \
	ASAN_OPTIONS=allocator_may_return_null=1 \
	UBSAN_OPTIONS=print_stacktrace=1 \
	$(MAKE) --no-print-directory test BUILD=build/$@ CC=$(SANITIZE_CC) \
	SCRIPTS='$(filter-out test/compile/%,$(SCRIPTS))' CFLAGS='-Og -g1' \
	SANITIZE='-fno-omit-frame-pointer -fno-sanitize-recover=all $(1)'

asan: ## the tests under AddressSanitizer and UBSan
	$(call sanitized,-fsanitize=address$(,)undefined$(,)float-cast-overflow)
ubsan: ## the tests under UndefinedBehaviorSanitizer alone
	$(call sanitized,-fsanitize=undefined$(,)float-cast-overflow)
# No part of this starts a thread: what has company is nodes and programs.
tsan: ## the tests of nodes and programs under ThreadSanitizer
	$(call sanitized,-fsanitize=thread) FUZZ= \
		TESTS='$(filter test/sim/% test/e2e/%,$(TESTS))'
, := ,

# >> fuzzing ------------------------------------------------------------------

FUZZERS := $(FUZZ:test/fuzz/%.c=build/fuzz/%)
build/fuzz/%: test/fuzz/%.c crdtsync.h Makefile
	$(call begin,FUZZER)
	$(Q)$(CLANG) $(STD) $(WARN) -O2 -g -I. -Itransports -Icodecs \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-MMD -MP -MT $@ -MF $@.d -o $@ $< $(needs)

fuzz: ## libFuzzer on every decoder: FUZZ_RUNS=10000000
	$(call require,$(CLANG),clang)
	$(submake) fuzzers
	$(Q)tools/fuzz $(FUZZ_RUNS) $(FUZZERS)

fuzzers: $(FUZZERS)

# >> demos --------------------------------------------------------------------

COMMON  := $(wildcard demo/common/*.c)
COUNTER := $(filter-out demo/counter/cluster.c,$(wildcard demo/counter/*.c))
object   = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

DEMO_LIBS  = libedit libcjson
demo_flags = $(shell pkg-config --cflags $(DEMO_LIBS))
demo_libs  = $(shell pkg-config --libs $(DEMO_LIBS))

demos: $(if $(wildcard demo/hello.c),$(BUILD)/hello) \
	$(if $(wildcard demo/counter/counter.c),$(BUILD)/counter) \
	$(if $(wildcard demo/counter/cluster.c),$(BUILD)/counter-cluster)

# Nothing but a compiler.
$(BUILD)/hello: demo/hello.c crdtsync.h Makefile
	$(call begin,CC)
	$(Q)$(compile) -o $@ $< $(LDFLAGS)

$(BUILD)/obj/demo/%.o: demo/%.c crdtsync.h Makefile
	$(call begin,CC)
	$(Q)$(compile) $(demo_flags) -c -o $@ $<

$(BUILD)/obj/test/%.o: test/%.c Makefile
	$(call begin,CC)
	$(Q)$(compile) -c -o $@ $<

$(BUILD)/counter: $(call object,$(COUNTER) $(COMMON))
	$(call begin,LD)
	$(Q)$(CC) $(SANITIZE) -pthread -o $@ $^ $(demo_libs) $(LDFLAGS)

$(BUILD)/counter-cluster: $(call object,demo/counter/cluster.c $(COMMON))
	$(call begin,LD)
	$(Q)$(CC) $(SANITIZE) -pthread -o $@ $^ $(demo_libs) $(LDFLAGS)

demo: ## three counters over TCP, one of them killed; hello first
	$(Q)tools/setup
	$(submake) demos
	$(BUILD)/hello
	$(BUILD)/counter-cluster

# >> benchmarks and size ------------------------------------------------------

$(BUILD)/obj/bench/%.o: bench/%.c crdtsync.h Makefile
	$(call begin,CC)
	$(Q)$(CC) $(STD) $(WARN) -O3 -DNDEBUG -I. -Itransports \
		-MMD -MP -MT $@ -MF $@.d -c -o $@ $<

$(BUILD)/bench: $(call object,$(wildcard bench/*.c))
	$(call begin,LD)
	$(Q)$(CC) -o $@ $^ $(shell pkg-config --libs zlib) -lm

bench: ## the benchmarks: ARGS='--json PATTERN', TRACES=directory
	$(submake) $(BUILD)/bench
	TRACES='$(TRACES)' $(BUILD)/bench $(ARGS)

size: crdtsync.h ## what the core weighs with -Os
	$(Q)tools/size

# >> the house ----------------------------------------------------------------

check: ## builds in every way that must work; formatting; names
	$(Q)tools/setup --check
	$(Q)WARN='$(filter-out -Werror,$(WARN))' tools/check

# The analyzer has to be told that headers are what there is to analyze.
TIDY = $(CLANG_TIDY) --quiet --extra-arg=-Xclang \
	--extra-arg=-analyzer-opt-analyze-headers
tidy: tidy-src tidy-adapters tidy-programs ## clang-tidy
tidy-src: crdtsync.h
	$(call require,$(CLANG_TIDY),clang-tidy)
	$(TIDY) src/crdtsync.in.h -- -x c $(STD) -DCRDTSYNC_IMPLEMENTATION
tidy-adapters: crdtsync.h
	$(if $(ADAPTERS),$(TIDY) $(ADAPTERS) -- -x c $(STD) -I. \
		-DCRDTSYNC_IMPLEMENTATION -include crdtsync.h $(demo_flags))
tidy-programs: crdtsync.h
	$(TIDY) tools/amalgamate.c $(COUNTER) $(COMMON) -- $(STD) -I. \
		-Itransports $(demo_flags)

SOURCES = $(shell find $(wildcard src transports stores codecs demo test bench \
	tools) -name '*.[ch]')
format: ## clang-format on every file but crdtsync.h
	$(call require,$(CLANG_FORMAT),clang-format)
	$(CLANG_FORMAT) -i $(SOURCES)

clean: ## removes build/
	rm -rf build

# >> installing ---------------------------------------------------------------

VERSION = $(shell sed -n 's/^#define CRDTSYNC_VERSION "\(.*\)"/\1/p' src/api.h)
INCLUDE   = $(DESTDIR)$(PREFIX)/include
PKGCONFIG = $(DESTDIR)$(PREFIX)/share/pkgconfig
CMAKE     = $(DESTDIR)$(PREFIX)/share/cmake/crdtsync
fill      = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@VERSION@|$(VERSION)|g'

install: crdtsync.h ## into PREFIX=/usr/local, below DESTDIR
	install -d $(INCLUDE)/crdtsync $(PKGCONFIG) $(CMAKE)
	install -m 644 crdtsync.h $(INCLUDE)
	$(if $(ADAPTERS),install -m 644 $(ADAPTERS) $(INCLUDE)/crdtsync)
	$(fill) tools/crdtsync.pc.in > $(PKGCONFIG)/crdtsync.pc
	install -m 644 tools/crdtsync-config.cmake $(CMAKE)
	$(fill) tools/crdtsync-config-version.cmake.in \
		> $(CMAKE)/crdtsync-config-version.cmake

uninstall: ## takes back what install put there
	rm -rf $(INCLUDE)/crdtsync.h $(INCLUDE)/crdtsync \
		$(PKGCONFIG)/crdtsync.pc $(CMAKE)

.PHONY: help test programs soak asan ubsan tsan fuzz fuzzers demos demo bench \
	size check tidy tidy-src tidy-adapters tidy-programs format clean install \
	uninstall

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d \
	$(BUILD)/*/*/*/*.d)
