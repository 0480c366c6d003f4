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
# Most tests run in no time, and only have to be compiled: clang takes a third
# of the time of gcc when it does not optimize. Heavy ones pay for -Og, long
# ones for -O2.
LIGHT_OPT ?= -O0 -g1
TEST_OPT  ?= -Og -g1
LONG_OPT  ?= -O2 -g1
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
LIGHT_CC     ?= $(or $(CLANG),$(CC))
export BUILD CC CLANG CLANG_FORMAT CLANG_TIDY

Q := $(if $(V),,@)
# As parallel as the caller asked, or as there are processors.
submake  = +$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) $(PARALLEL)
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

compiler = $(CC)
compile = $(compiler) $(STD) $(WARN) $(CFLAGS) $(SANITIZE) \
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
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

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
PUBLIC := $(shell grep -sl 'include.*\(crdtsync\|program/\)' $(TESTS) \
	$(FUZZ) /dev/null)
$(PUBLIC:%.c=$(BUILD)/%): crdtsync.h

# The libraries that the source asks for: their flags, those that are not here.
asks  = $(shell sed -n 's|.*pkg-config: *\([^*]*\).*|\1|p' $<)
needs = $(foreach p,$(asks),$(shell pkg-config --cflags --libs $(p)))
lacks = $(strip $(foreach p,$(asks),$(shell pkg-config --exists $(p) || echo $(p))))

# Without a library that it needs, a test is a script that says so.
define skip
printf '#!/bin/sh\necho "skipped: $(lacks) is not here"\necho "%s"\n' \
	'0 passed, 0 failed, 1 skipped' >$@; chmod +x $@
endef

$(TEST_PROGS) $(FUZZ_PROGS): private CFLAGS = $(TEST_OPT) $(LONE)
LONG  := laws/algebra laws/schedules
HEAVY := fuzz/hostile fuzz/list fuzz/readable fuzz/sequence fuzz/session \
	laws/events laws/histories laws/json laws/list_events laws/lists \
	laws/rules laws/strokes laws/text_events laws/texts laws/types \
	oom/text oom/types sim/epoch sim/lossy sim/members sim/planted \
	sim/relay sim/scenarios sim/seeds unit/hostile unit/text
LIGHT := $(filter-out $(patsubst %,$(BUILD)/test/%,$(HEAVY) $(LONG)),\
	$(TEST_PROGS) $(FUZZ_PROGS))
$(LIGHT): private CFLAGS = $(LIGHT_OPT) $(LONE)
$(LIGHT): private compiler = $(LIGHT_CC)
$(LONG:%=$(BUILD)/test/%): private CFLAGS = $(LONG_OPT) $(LONE)
$(TEST_PROGS): $(BUILD)/%: %.c Makefile
	$(call begin,CC)
	$(Q)$(if $(lacks),$(skip),$(compile) -pthread -o $@ $< $(needs) $(LDFLAGS))

# Without libFuzzer: the target, and a main that feeds it its corpus.
$(FUZZ_PROGS): $(BUILD)/%: %.c $(BUILD)/obj/test/fuzz/replay.o Makefile
	$(call begin,CC)
	$(Q)$(compile) -o $@ $< $(BUILD)/obj/test/fuzz/replay.o $(needs) $(LDFLAGS)

# The simulator as a program: more seeds, other worlds, one seed again.
$(BUILD)/sim: test/sim/program/main.c crdtsync.h Makefile
	$(call begin,CC)
	$(Q)$(compile) -o $@ $< $(LDFLAGS)

sim: ## the simulator: ARGS='--seeds 100000 --jobs 2'
	$(submake) $(BUILD)/sim
	$(BUILD)/sim $(ARGS)

test: ## builds and runs every test
	$(Q)tools/setup
	$(submake) -k programs; BUILD_STATUS=$$? \
		tools/run-tests $(TEST_PROGS) $(FUZZ_PROGS) $(SCRIPTS)

programs: $(TEST_PROGS) $(FUZZ_PROGS) demos $(BUILD)/album-soak $(BUILD)/counter-spoilt

model: ## spin on the model of full syncs, when it is there
	$(Q)test/model/check

soak: model $(BUILD)/test/e2e/album_data ## the seeded tests for hours: SOAK_SEEDS=2000000
	$(Q)CRDT_SEEDS=$(SOAK_SEEDS) CRDT_DEPTH=4 TEST_SECONDS_MAX=86400 \
		$(MAKE) --no-print-directory test SCRIPTS= FUZZ= \
		TEST_OPT='-O2 -g' LIGHT_OPT='-O2 -g' \
		TESTS='$(filter test/laws/% test/oom/% test/sim/% \
		test/crash/%,$(TESTS))'
	$(Q)CRDT_ALBUM_MIB=1024 CRDT_ALBUM_SEEDS=1000 $(BUILD)/test/e2e/album_data

# >> sanitizers ---------------------------------------------------------------
# The same tests, built anew beside the others; scripts of test/compile, which
# test building, are left out. What gcc warns of when it adds checks is noise.
# Left out are also those that go through all there is, of what others go
# through at random. Each program is of one file: of the functions that it does
# not call nothing is compiled.
EXHAUSTIVE := test/sim/epoch.c test/sim/planted.c test/laws/planted.c \
	test/laws/schedules.c

SANITIZE_CC ?= $(CC)
sanitized = +$(Q)CRDT_SEEDS=$(SANITIZE_SEEDS) CRDT_STRIDE=7 \
	ASAN_OPTIONS=allocator_may_return_null=1 \
	UBSAN_OPTIONS=print_stacktrace=1 \
	$(MAKE) --no-print-directory test BUILD=build/$@ CC=$(SANITIZE_CC) \
	SCRIPTS='$(filter-out test/compile/%,$(SCRIPTS))' OPT='-Og -g1' \
	LONG= HEAVY='fuzz/sequence laws/text_events sim/lossy sim/relay \
		sim/seeds unit/hostile unit/text' WARN=-w \
	LONE=-DCRDTSYNC_STATIC \
	SANITIZE='-fno-omit-frame-pointer -fno-sanitize-recover=all $(1)'

asan: ## the tests under AddressSanitizer and UBSan
	$(call sanitized,-fsanitize=address$(,)undefined$(,)float-cast-overflow) \
		TESTS='$(filter-out $(EXHAUSTIVE),$(TESTS))'
ubsan: ## the tests under UndefinedBehaviorSanitizer alone
	$(call sanitized,-fsanitize=undefined$(,)float-cast-overflow) \
		TESTS='$(filter-out $(EXHAUSTIVE),$(TESTS))'
# No part of this starts a thread: what has company is transports and programs.
# Of libzmq, which is not built for that, it would tell what is not so; and the
# album's clients meet over that.
tsan: ## the tests of transports and programs under ThreadSanitizer
	$(call sanitized,-fsanitize=thread) FUZZ= \
		SCRIPTS='$(filter-out %/album.sh,$(filter test/e2e/%,$(SCRIPTS)))' \
		TESTS='$(filter-out %/zmq.c %/album_data.c,\
			$(filter test/e2e/% test/transport/%,$(TESTS)))'
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
COUNTER := $(filter-out %/cluster.c %/soak.c,$(wildcard demo/counter/*.c))
object   = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

ALBUM_PROGS = $(BUILD)/album-server $(BUILD)/album-data $(BUILD)/album-show

DEMO_LIBS  = libedit libcjson libzmq libsodium
demo_flags = $(shell pkg-config --cflags $(DEMO_LIBS))
demo_libs  = $(shell pkg-config --libs $(DEMO_LIBS))

demos: $(if $(wildcard demo/hello.c),$(BUILD)/hello) \
	$(if $(wildcard demo/pipe.c),$(BUILD)/pipe) \
	$(if $(wildcard demo/counter/counter.c),$(BUILD)/counter) \
	$(if $(wildcard demo/counter/cluster.c),$(BUILD)/counter-cluster) \
	$(if $(wildcard demo/counter/soak.c),$(BUILD)/counter-soak) \
	$(if $(wildcard demo/album/client.c),$(BUILD)/album $(ALBUM_PROGS)) \
	$(BUILD)/cluster

# Nothing but a compiler.
$(BUILD)/hello $(BUILD)/pipe: $(BUILD)/%: demo/%.c crdtsync.h Makefile
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

# One whose memory goes bad when it is told so: see there.
$(BUILD)/obj/test/e2e/counter/%.o: test/e2e/counter/%.c crdtsync.h Makefile
	$(call begin,CC)
	$(Q)$(compile) $(demo_flags) -c -o $@ $<

$(BUILD)/counter-spoilt: $(call object,test/e2e/counter/spoil.c $(COUNTER) \
	$(filter-out demo/common/engine.c,$(COMMON)))
	$(call begin,LD)
	$(Q)$(CC) $(SANITIZE) -pthread -o $@ $^ $(demo_libs) $(LDFLAGS) \
		-Wl,--wrap=crdt_node_share,--wrap=crdt_node_poll

$(BUILD)/counter-cluster: $(call object,demo/counter/cluster.c $(COMMON))
	$(call begin,LD)
	$(Q)$(CC) $(SANITIZE) -pthread -o $@ $^ $(demo_libs) $(LDFLAGS)

$(BUILD)/counter-soak: $(call object,demo/counter/soak.c $(COMMON))
	$(call begin,LD)
	$(Q)$(CC) $(SANITIZE) -pthread -o $@ $^ $(demo_libs) $(LDFLAGS)

# Drives the programs of any demo by a script.
$(BUILD)/cluster: $(call object,demo/cluster/cluster.c $(COMMON))
	$(call begin,LD)
	$(Q)$(CC) $(SANITIZE) -pthread -o $@ $^ $(demo_libs) $(LDFLAGS)

# Programs of the album: each takes out of the archive what it needs.
ALBUM_MAINS  = server client data show
ALBUM_PARTS := $(filter-out $(ALBUM_MAINS:%=demo/album/%.c),\
	$(wildcard demo/album/*.c)) $(COMMON)
ALBUM_LIBS   = $(demo_libs) $(shell pkg-config --libs sqlite3)

$(BUILD)/album.a: $(call object,$(ALBUM_PARTS))
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/album: $(BUILD)/obj/demo/album/client.o $(BUILD)/album.a
$(ALBUM_PROGS): $(BUILD)/album-%: \
	$(BUILD)/obj/demo/album/%.o $(BUILD)/album.a
$(BUILD)/album $(ALBUM_PROGS):
	$(call begin,LD)
	$(Q)$(CC) $(SANITIZE) -pthread -o $@ $^ $(ALBUM_LIBS) $(LDFLAGS)

$(BUILD)/obj/test/e2e/album/%.o: test/e2e/album/%.c crdtsync.h Makefile
	$(call begin,CC)
	$(Q)$(compile) $(demo_flags) -c -o $@ $<

$(BUILD)/album-soak: $(BUILD)/obj/test/e2e/album/soak.o $(BUILD)/album.a
	$(call begin,LD)
	$(Q)$(CC) $(SANITIZE) -pthread -o $@ $^ $(ALBUM_LIBS) $(LDFLAGS)

soak-album: $(BUILD)/album-soak ## 20 clients, random kills: ARGS='20 300 SEED'
	$(submake) demos
	$(BUILD)/album-soak $(ARGS)

# Real data servers, and their askers in the test itself.
$(BUILD)/test/e2e/album_data: $(BUILD)/album.a $(BUILD)/album-data
$(BUILD)/test/e2e/album_data: needs = $(demo_flags) $(BUILD)/album.a $(ALBUM_LIBS)

demo: ## three people share an album; servers crash, one edits alone
	$(Q)tools/setup
	$(submake) demos
	$(BUILD)/album-show $(BUILD)/demo

demo-counter: ## three counters over TCP, one of them killed; hello first
	$(Q)tools/setup
	$(submake) demos
	$(BUILD)/hello
	$(BUILD)/counter-cluster

test-demos: ## the long tests of the demos
	$(Q)tools/setup
	$(submake) demos
	BUILD=$(BUILD) test/e2e/counter.sh
	BUILD=$(BUILD) SOAK=1 test/e2e/cluster.sh
	$(BUILD)/counter-soak --seconds 60
	$(BUILD)/counter-soak --seconds 20 --transport udp
	$(BUILD)/counter-soak --seconds 20 --transport zmq --strict

# >> benchmarks and size ------------------------------------------------------

$(BUILD)/obj/bench/%.o: bench/%.c crdtsync.h Makefile
	$(call begin,CC)
	$(Q)$(CC) $(STD) $(WARN) -O3 -DNDEBUG -I. -Itransports -Istores \
		-MMD -MP -MT $@ -MF $@.d -c -o $@ $<

$(BUILD)/bench: $(call object,$(wildcard bench/*.c))
	$(call begin,LD)
	$(Q)$(CC) -o $@ $^ $(shell pkg-config --libs zlib) -lm

bench: ## the benchmarks: ARGS='--json PATTERN', TRACES=directory
	$(submake) $(BUILD)/bench
	TRACES='$(TRACES)' $(BUILD)/bench $(ARGS)

# What it took before, on this machine: `make bench-baseline` says when.
bench-baseline: ## stores what `make bench` says as build/baseline.json
	$(submake) $(BUILD)/bench
	TRACES='$(TRACES)' $(BUILD)/bench --json $(ARGS) >$(BUILD)/baseline.json

bench-compare: ## measures again, and tells what changed since the baseline
	$(submake) $(BUILD)/bench
	TRACES='$(TRACES)' $(BUILD)/bench --json $(ARGS) >$(BUILD)/now.json
	$(Q)tools/bench-compare $(BUILD)/baseline.json $(BUILD)/now.json

bench-instructions: ## instructions of the hot paths, and what they were
	$(submake) $(BUILD)/bench
	$(Q)tools/instructions

bench-report: ## all of it as a page with plots: build/report/index.html
	$(submake) $(BUILD)/bench
	$(Q)TRACES='$(TRACES)' tools/bench-report

bench-peers: ## beside other engines: TRACES=directory ROUNDS=3 ENGINES='yrs yjs'
	$(Q)TRACES='$(TRACES)' bench/peers/run

bench-sync-plot: ## bytes to be equal again, by what differs: build/sync.svg
	$(submake) $(BUILD)/bench
	$(BUILD)/bench --json sync.curve/ | tools/plot-sync $(BUILD)/sync.svg

# With ZeroMQ where it is.
zmq_flags = $(shell pkg-config --exists libzmq && \
	echo -DBENCH_ZMQ `pkg-config --cflags --libs libzmq`)
$(BUILD)/bench-net: bench/net/net.c crdtsync.h Makefile
	$(call begin,CC)
	$(Q)$(CC) $(STD) $(WARN) -O3 -DNDEBUG -I. -Itransports \
		-MMD -MP -MT $@ -MF $@.d -o $@ $< $(zmq_flags)

bench-net: $(BUILD)/bench-net ## transports beside bare sockets: ARGS=tcp
	$(BUILD)/bench-net $(ARGS)

size: crdtsync.h ## what the core weighs with -Os, and a small document
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
	$(TIDY) tools/amalgamate.c $(wildcard demo/*/*.c) -- $(STD) -I. \
		-Itransports -Istores -Icodecs $(demo_flags)

doc: ## doxygen of all public names: build/doc/html/index.html
	$(Q)tools/setup --doc
	$(Q)mkdir -p build/doc
	$(Q)doxygen tools/doxygen.conf
	@echo '  DOC build/doc/html/index.html'

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

# The same bytes from the same sources, wherever it is made.
RELEASE = crdtsync-$(VERSION)
release: crdtsync.h ## build/crdtsync-VERSION.tar.gz: the header, adapters, examples
	$(Q)rm -rf build/$(RELEASE)
	$(Q)install -d build/$(RELEASE)/adapters build/$(RELEASE)/examples
	$(Q)install -m 644 crdtsync.h README.md CHANGELOG.md LICENSE build/$(RELEASE)
	$(Q)install -m 644 $(ADAPTERS) build/$(RELEASE)/adapters
	$(Q)install -m 644 demo/*.c build/$(RELEASE)/examples
	$(Q)tar -C build --sort=name --mtime=@0 --owner=0 --group=0 \
		--numeric-owner -cf - $(RELEASE) | gzip -9n >build/$(RELEASE).tar.gz
	$(Q)cd build && sha256sum $(RELEASE).tar.gz

uninstall: ## takes back what install put there
	rm -rf $(INCLUDE)/crdtsync.h $(INCLUDE)/crdtsync \
		$(PKGCONFIG)/crdtsync.pc $(CMAKE)

.PHONY: help test test-demos sim programs model soak soak-album asan ubsan tsan \
	fuzz fuzzers demos demo demo-counter bench bench-baseline bench-compare \
	bench-instructions bench-report bench-net bench-peers \
	bench-sync-plot size check tidy tidy-src tidy-adapters tidy-programs \
	doc format clean install release uninstall

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d \
	$(BUILD)/*/*/*/*.d)
