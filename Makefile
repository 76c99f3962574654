# The only build file. `make help` lists the goals.
#
# What is built where:
#   build/TARGET/        the release, static against musl            (make, make TARGET=armv6)
#   build/TARGET-posix/  the same with the plain POSIX twins         (make PLATFORM=posix)
#   build/wrapped/       the release, which counts its allocations and has a clock that tests move (test/wrap)
#   build/FLAVOUR/       debug, asan, tsan, clang, cover, lint, fuzz (against the machine's own C library)
#   build/deps/          what toolchains/deps.sh fetched
# The goals that people type stand at the end; each locks its folder and calls make again, so that two makes in one
# tree do not tread on each other. What is above them makes one folder, chosen by FLAVOUR, TARGET and PLATFORM.

TARGET ?= native
PLATFORM ?= linux
FLAVOUR ?= release
BUILD ?= build
DEPS ?=
DEPS_DIR ?=
PREFIX ?= /usr/local
HOSTCC ?= cc
WERROR ?=
PYTHON ?= /usr/bin/python3
T ?=

MAKEFLAGS += --no-print-directory -rR
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := all

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf ' %-5s %s\n' '$(1)' '$(2)';)

ifeq ($(wildcard toolchains/$(TARGET).mk),)
$(error TARGET=$(TARGET) is unknown; there are: $(patsubst toolchains/%.mk,%,$(wildcard toolchains/*.mk)))
endif
ifeq ($(filter linux posix,$(PLATFORM)),)
$(error PLATFORM=$(PLATFORM) is unknown; there are: linux posix)
endif
include toolchains/$(TARGET).mk

# --- sources ---------------------------------------------------------------------------------------------------------

# A twin is one of a family in platform/; each platform takes one of each family, and all files of no family.
TWIN_FAMILIES := poll watch send path sandbox
TWINS_linux := poll_epoll watch_inotify send_linux path_linux sandbox_linux
TWINS_posix := poll_poll watch_scan send_posix path_posix sandbox_posix
PLATFORM_SRC := $(if $(filter lint,$(FLAVOUR)),$(wildcard platform/*.c),$(filter-out $(TWIN_FAMILIES:%=platform/%_%.c),$(wildcard platform/*.c)) \
    $(wildcard $(TWINS_$(PLATFORM):%=platform/%.c)))
LIB_SRC := $(sort $(PLATFORM_SRC) $(wildcard src/*/*.c))
HOT_SRC := $(wildcard platform/sha256_*.c src/wire/digest*.c $(TARGET_HOT))
WEB_SRC := $(if $(wildcard src/ui/web.h),$(sort $(wildcard web/*.*)))

# --- flavours --------------------------------------------------------------------------------------------------------

O := $(BUILD)/$(if $(filter release,$(FLAVOUR)),$(TARGET),$(FLAVOUR))$(if $(filter posix,$(PLATFORM)),-posix)
DEPS_OUT := $(BUILD)/deps
DEPS_ROOT := $(DEPS_OUT)/$(TARGET)/root
DEPS_STAMP := $(DEPS_OUT)/$(TARGET)/stamp

WARN := -Wall -Wextra -Wshadow -Wconversion -Wundef -Wmissing-prototypes -Wstrict-prototypes -Wvla
# Paths in the binary and its symbols do not depend on where the tree lies.
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(abspath $(BUILD))=build
# With sanitizers, lines and functions are enough: a fifth less time to build.
DEBUG_INFO := $(if $(filter asan tsan clang fuzz lint warn,$(FLAVOUR)),-g1,-g)
BASE_CFLAGS := -std=c11 $(DEBUG_INFO) $(REPRODUCIBLE)
SMALL := -Os $(TARGET_SMALL_FLAGS)
HOT := -O2
LDFLAGS :=

ifeq ($(FLAVOUR),release)
MUSL := yes
CC := $(TARGET_CC)
HARDEN := -fPIE -fstack-protector-strong
CFLAGS := $(BASE_CFLAGS) $(HARDEN) $(TARGET_ARCH_FLAGS) -flto=auto -fno-fat-lto-objects -ffunction-sections \
    -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables
LDFLAGS := -static-pie -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--build-id=sha1 \
    -Wl,--warn-common -Wl,--fatal-warnings $(TARGET_LDFLAGS)
else ifeq ($(FLAVOUR),wrapped)
MUSL := yes
CC := $(TARGET_CC)
CFLAGS := $(BASE_CFLAGS) -fPIE $(TARGET_ARCH_FLAGS)
WRAPPED := malloc calloc realloc __libc_malloc time clock_gettime epoll_wait timerfd_create fsync syncfs
LDFLAGS := -static-pie $(foreach f,$(WRAPPED),-Wl,--wrap=$(f))
else
MUSL :=
CC := gcc
ifneq ($(TARGET),native)
$(error FLAVOUR=$(FLAVOUR) is built for the native target only)
endif
UBSAN := -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_debug := -Og -g3 -fstack-protector-strong
FLAGS_asan := -O1 -fsanitize=address $(UBSAN)
FLAGS_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
FLAGS_clang := -O1 -fsanitize=address $(UBSAN)
FLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address $(UBSAN)
FLAGS_cover := -O0 --coverage
FLAGS_warn := -O2
# Every call stays a call (floors.py reads them), and gcc's analyzer looks along.
FLAGS_lint := -O0 -fanalyzer
ifeq ($(FLAGS_$(FLAVOUR)),)
$(error FLAVOUR=$(FLAVOUR) is unknown; there are: release wrapped debug asan tsan clang fuzz cover warn lint)
endif
ifneq ($(filter clang fuzz warn,$(FLAVOUR)),)
CC := clang
endif
CFLAGS := $(BASE_CFLAGS) $(FLAGS_$(FLAVOUR))
LDFLAGS := $(filter -fsanitize=% --coverage,$(subst fuzzer-no-link$(comma),,$(FLAGS_$(FLAVOUR))))
SMALL :=
HOT :=
WERROR := 1
endif
WARN += $(if $(WERROR),-Werror)

# A platform's file may use what its kernel has; all others see POSIX 2008 and no more.
VISIBLE = $(if $(filter platform/% test/% bench/%,$<),-D_GNU_SOURCE=,-D_POSIX_C_SOURCE=200809L)
DEPS_INCLUDE := -isystem $(DEPS_OUT)/src/yyjson/src -isystem $(DEPS_OUT)/src/libinih -isystem $(O)/include
YYJSON_FLAGS := -DYYJSON_DISABLE_NON_STANDARD=1 -DYYJSON_DISABLE_UTILS=1 -DYYJSON_DISABLE_FAST_FP_CONV=1 \
    -DYYJSON_DISABLE_INCR_READER=1
INIH_FLAGS := -DINI_USE_STACK=1 -DINI_HANDLER_LINENO=1 -DINI_ALLOW_MULTILINE=0 -DINI_STOP_ON_FIRST_ERROR=0 \
    -DINI_MAX_LINE=4096 -DINI_ALLOW_BOM=1 -DINI_ALLOW_INLINE_COMMENTS=0
# Its functions are told to be inlined wherever they are called: twice the code that -Os makes of them. What is read in
# bulk does not come this way (src/wire/record_scan.c).
YYJSON_SMALL := $(if $(SMALL),-Dyyjson_inline=__inline__)
DEPS_FLAGS := $(YYJSON_FLAGS) $(INIH_FLAGS)
INCLUDE := -I. -Isrc $(DEPS_INCLUDE) $(DEPS_FLAGS)
SPECS := $(if $(MUSL),-specs=$(DEPS_OUT)/$(TARGET)/musl-gcc.specs)
level = $(if $(filter $(HOT_SRC),$(1)),$(HOT),$(SMALL))
compile = $(CC) $(SPECS) $(CFLAGS)
# Undefined behaviour in other people's code is not looked for: yyjson alone takes half a minute with it.
compile_deps = $(filter-out -fsanitize=undefined --coverage,$(compile)) $(SMALL) -w $(DEPS_FLAGS)

# --- objects ---------------------------------------------------------------------------------------------------------

LIB_OBJ := $(LIB_SRC:%.c=$(O)/obj/%.o) $(if $(WEB_SRC),$(O)/obj/web.o)
DEPS_OBJ := $(O)/obj/deps/yyjson.o $(O)/obj/deps/ini.o
LLHTTP := $(DEPS_ROOT)/libllhttp.a
MAIN_OBJ := $(O)/obj/p2p.o
WRAP_OBJ := $(if $(WRAPPED),$(O)/obj/test/wrap/wrap.o)
P2P := $(O)/p2p

# Made at parse time and only when it differs: a change of flags or of the list of files rebuilds what it touches.
note = $(shell mkdir -p $(dir $(1)); printf '%s\n' '$(2)' | cmp -s - $(1) || printf '%s\n' '$(2)' >$(1))
ifneq ($(filter _%,$(MAKECMDGOALS)),)
$(call note,$(O)/flags,$(compile) $(WARN) $(SMALL) / $(HOT) / $(INCLUDE))
$(call note,$(O)/links,$(LIB_OBJ) $(LDFLAGS))
endif

$(DEPS_STAMP): toolchains/deps.sh toolchains/deps.txt
	@DEPS='$(DEPS)' DEPS_DIR='$(DEPS_DIR)' DEPS_STRIP='$(TARGET_DEPS_STRIP)' \
	    sh toolchains/deps.sh $(TARGET) '$(TARGET_DEBIAN_ARCH)' $(DEPS_OUT)

# llhttp's header alone: its folder also holds musl's, which a glibc flavour must not see.
$(O)/include/llhttp.h: $(DEPS_STAMP)
	@command -v $(CC) >/dev/null || { echo "make: $(CC) is missing; install $(or $(TARGET_PACKAGE),$(CC))" >&2; exit 1; }
	@mkdir -p $(dir $@) && cp $(DEPS_ROOT)/usr/include/llhttp.h $@

READY := $(O)/include/llhttp.h $(O)/flags Makefile toolchains/$(TARGET).mk

$(O)/obj/%.o: %.c $(READY)
	@mkdir -p $(dir $@)
	$(call say,CC,$<)$(compile) $(call level,$<) $(VISIBLE) $(WARN) $(INCLUDE) -MMD -MP -c -o $@ $<

$(O)/obj/deps/yyjson.o: $(READY)
	@mkdir -p $(dir $@)
	$(call say,CC,yyjson)$(compile_deps) $(YYJSON_SMALL) -Dstrtod=json_skip_real -c -o $@ $(DEPS_OUT)/src/yyjson/src/yyjson.c

$(O)/obj/deps/ini.o: $(READY)
	@mkdir -p $(dir $@)
	$(call say,CC,inih)$(compile_deps) -c -o $@ $(DEPS_OUT)/src/libinih/ini.c

$(BUILD)/host/pack: toolchains/pack.c
	@mkdir -p $(dir $@)
	$(call say,HOST,$<)$(HOSTCC) -std=c11 -O1 -o $@ $<

# index.html stays as it is, for whoever reads it with curl.
WEB_PACKED := $(foreach f,$(WEB_SRC),$(if $(filter %.js %.css,$f),$(O)/$f.gz,$f))

$(O)/%.gz: % $(READY)
	@mkdir -p $(dir $@)
	$(call say,GZIP,$<)gzip -9nc $< >$@

$(O)/web.c: $(BUILD)/host/pack $(WEB_PACKED) $(O)/links
	$(call say,PACK,web)$(BUILD)/host/pack $(WEB_PACKED) >$@

$(O)/obj/web.o: $(O)/web.c src/ui/web.h $(READY)
	@mkdir -p $(dir $@)
	$(call say,CC,$<)$(compile) $(SMALL) $(WARN) $(INCLUDE) -c -o $@ $<

-include $(wildcard $(O)/obj/*.d $(O)/obj/*/*.d $(O)/obj/*/*/*.d)

# --- the program -----------------------------------------------------------------------------------------------------

# The symbols go beside the binary; gdb finds them by the link in it.
$(P2P): $(MAIN_OBJ) $(WRAP_OBJ) $(LIB_OBJ) $(DEPS_OBJ) $(DEPS_STAMP) $(O)/links
	$(call say,LD,$@)$(compile) $(SMALL) $(LDFLAGS) -Wl,-Map=$(O)/p2p.map -o $@.full $(filter %.o,$^) $(LLHTTP) $(if $(MUSL),,-lpthread)
ifeq ($(FLAVOUR),release)
	$(Q)$(TARGET_BIN)objcopy --only-keep-debug $@.full $@.debug
	$(Q)$(TARGET_BIN)strip -s -R .comment -R .note.gnu.property $@.full
	$(Q)cd $(O) && $(TARGET_BIN)objcopy --add-gnu-debuglink=p2p.debug p2p.full
endif
	@mv $@.full $@ && : >$(O)/made

BENCH_BIN := $(patsubst bench/%.c,$(O)/bench/%,$(wildcard bench/*.c))

$(BENCH_BIN): $(O)/bench/%: $(O)/obj/bench/%.o $(LIB_OBJ) $(DEPS_OBJ) $(O)/links
	@mkdir -p $(dir $@)
	$(call say,LD,$@)$(compile) $(HOT) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LLHTTP)

# The swarm's simulator is shared with its unit test.
$(O)/bench/swarm_sim: $(O)/obj/test/sim/swarm.o

_bench_binaries: $(BENCH_BIN)
	@:

_all: $(P2P)
	@if [ -e $(O)/made ]; then rm -f $(O)/made; echo "$(P2P) $$(wc -c <$(P2P)) bytes"; \
	else echo "$(P2P) is up to date"; fi

_objects: $(MAIN_OBJ) $(LIB_OBJ)
	@:

_lib_objects: $(LIB_OBJ) $(DEPS_OBJ)
	@:

_deps: $(DEPS_STAMP)
	@:

# --- unit tests ------------------------------------------------------------------------------------------------------

# A unit test is linked with an archive of what compiles, so that a room under construction does not stop the others.
# ThreadSanitizer gets those in which a second thread runs: the others have nothing to tell it, and the plan's simulators
# take it minutes.
ifeq ($(FLAVOUR),tsan)
UNIT_ALL := $(sort $(shell grep -lE 'worker_start|plat_thread_start|rig_(share|index)\.h' test/unit/test_*.c))
else
UNIT_ALL := $(sort $(wildcard test/unit/test_*.c))
endif
UNIT_SRC := $(if $(T),test/unit/test_$(T).c,$(UNIT_ALL))
UNIT_BIN := $(UNIT_SRC:test/unit/%.c=$(O)/unit/%)
# ThreadSanitizer of gcc 12 and clang 14 dies where a kernel randomises more than it expects; a container may forbid
# the cure, and then mostly does not need it.
TSAN_RUN = $(if $(filter tsan,$(FLAVOUR)),$(shell setarch -R true 2>/dev/null && echo setarch -R))
export ASAN_OPTIONS ?= detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0
export UBSAN_OPTIONS ?= print_stacktrace=1
export TSAN_OPTIONS ?= halt_on_error=1:second_deadlock_stack=1

# $(AR) of what exists: rebuilt whole when any object is newer, or one has gone.
_archive:
	@objs=$$(ls $(LIB_OBJ) $(DEPS_OBJ) 2>/dev/null); \
	if [ -n "$$(find $$objs $(O)/links -newer $(O)/libp2p.a 2>&1)" ] || \
	    [ "$$objs" != "$$(cat $(O)/libp2p.list 2>/dev/null)" ]; then \
	    rm -f $(O)/libp2p.a; ar rcs $(O)/libp2p.a $$objs && echo "$$objs" >$(O)/libp2p.list; fi

# What several unit tests share (worlds, simulators); a test links what it calls.
SIM_OBJ := $(patsubst %.c,$(O)/obj/%.o,$(wildcard test/sim/*.c))

$(O)/libsim.a: $(SIM_OBJ)
	@rm -f $@; ar rcs $@ $^

$(O)/unit/%: $(O)/obj/test/unit/%.o $(O)/libsim.a $(O)/libp2p.a
	@mkdir -p $(dir $@)
	$(call say,LD,$@)$(compile) $(LDFLAGS) -o $@ $< $(O)/libsim.a $(O)/libp2p.a $(LLHTTP) -lcmocka -lpthread

_unit_binaries: $(UNIT_BIN)
	@:

# Each test binary prints cmocka's own lines; the goal fails when one does or could not be linked, after all have run.
_unit_run:
	@failed='$(if $(UNIT_BIN),, no test found)'; for b in $(UNIT_BIN); do \
	    echo "-- $${b##*/}"; $(TSAN_RUN) timeout 300 $$b || failed="$$failed $${b##*/}"; done; \
	if [ -n "$$failed" ]; then echo "unit ($(FLAVOUR)): FAILED:$$failed"; exit 1; fi; \
	echo "unit ($(FLAVOUR)): $(words $(UNIT_BIN)) binaries passed"

# --- fuzzing ---------------------------------------------------------------------------------------------------------

FUZZ_SECONDS ?= 5
FUZZ_SRC := $(if $(T),test/fuzz/fuzz_$(T).c,$(sort $(wildcard test/fuzz/fuzz_*.c)))
FUZZ_NAMES := $(FUZZ_SRC:test/fuzz/fuzz_%.c=%)

$(O)/fuzz/%: $(O)/obj/test/fuzz/fuzz_%.o $(O)/libp2p.a
	@mkdir -p $(dir $@)
	$(call say,LD,$@)$(compile) -fsanitize=fuzzer -o $@ $< $(O)/libp2p.a $(LLHTTP) -lpthread

_fuzz_binaries: $(FUZZ_NAMES:%=$(O)/fuzz/%)
	@:

# What a run finds stays in build/fuzz/found-NAME; the seeds in test/corpus are only read.
_fuzz_run: $(FUZZ_NAMES:%=_fuzz_run_%)
	@echo "fuzz: $(words $(FUZZ_NAMES)) targets, $(FUZZ_SECONDS) s each, nothing found"

_fuzz_run_%:
	@mkdir -p $(O)/found-$* $(O)/corpus-$*; cd $(O) && \
	./fuzz/$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -artifact_prefix=found-$*/ \
	    $(wildcard test/corpus/$*/*.dict) corpus-$* $(wildcard $(CURDIR)/test/corpus/$*) >fuzz-$*.log 2>&1 || \
	    { tail -n 40 fuzz-$*.log; echo "fuzz: $*: FAILED, the input is in $(O)/found-$*"; exit 1; }; \
	echo "fuzz: $*: $$(grep -o '^Done [0-9]* runs.*' fuzz-$*.log)"

# --- lint ------------------------------------------------------------------------------------------------------------

# One mark per file and check, so that only what changed is looked at again. The object is newer than all its headers.
LINT_SRC := $(wildcard p2p.c) $(LIB_SRC)
TIDY_OK := $(LINT_SRC:%.c=$(O)/tidy/%.ok)
CPPCHECK_OK := $(LINT_SRC:%.c=$(O)/cppcheck/%.ok)
SHELL_SRC := $(wildcard toolchains/*.sh test/*.sh test/*/*.sh bench/*.sh .ci/run)
FORMAT_SRC := $(wildcard p2p.[ch] src/*/*.[ch] platform/*.[ch] test/*/*.[ch] bench/*.[ch] toolchains/*.[ch])

$(O)/tidy/%.ok: %.c $(O)/obj/%.o .clang-tidy
	@mkdir -p $(dir $@)
	$(call say,TIDY,$<)clang-tidy --quiet $< -- -std=c11 $(VISIBLE) $(INCLUDE) >$@.log 2>/dev/null || { cat $@.log; exit 1; }
	@: >$@

$(O)/cppcheck/%.ok: %.c $(O)/obj/%.o
	@mkdir -p $(dir $@)
	$(call say,CPP,$<)cppcheck -q --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
	    --suppress=missingIncludeSystem --suppress=internalAstError \
	    --suppress=invalidPrintfArgType_uint -I. -Isrc $(DEPS_FLAGS) $<
	@: >$@

_lint_tidy: $(TIDY_OK)
	@echo "clang-tidy: $(words $(TIDY_OK)) files clean"

_lint_cppcheck: $(CPPCHECK_OK)
	@echo "cppcheck: $(words $(CPPCHECK_OK)) files clean"

_lint_floors: $(if $(wildcard p2p.c),$(MAIN_OBJ)) $(LIB_OBJ)
	@$(PYTHON) test/lint/floors.py $(O)/obj

_lint_figures:
	@$(PYTHON) test/lint/figures.py

_lint_shell:
	@shellcheck $(SHELL_SRC) && echo "shellcheck: $(words $(SHELL_SRC)) files clean"

_lint_format:
	@bad=0; for f in $(FORMAT_SRC); do clang-format $$f | cmp -s - $$f || \
	    { bad=1; echo "clang-format: $$f differs; make format puts it right"; }; done; [ $$bad = 0 ] && echo "clang-format: $(words $(FORMAT_SRC)) files clean"

_lint_docs:
	@$(PYTHON) toolchains/man.py $(NATIVE) | cmp - docs/p2p.1 || { echo "docs/p2p.1 is not what the program and config.ini say; make docs"; exit 1; }
	@echo "docs/p2p.1: what the program says"

_lint_self:
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -q -p no:cacheprovider test/lint

_lint: _lint_self _lint_docs _lint_figures _lint_format _lint_shell _lint_floors _lint_cppcheck _lint_tidy
	@echo "lint: passed"

# --- network tests ---------------------------------------------------------------------------------------------------

# $(call pytest,PATHS,BINARY,MARKS): each run has its own folders and ports, so any number may run at once.
# Most of their time is waiting, so four run side by side, each file in one of them.
K ?=
BESIDE ?= 4
pytest = env P2P=$(abspath $(2)) P2P_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -q \
    -p no:cacheprovider -n $(BESIDE) --dist loadfile -m '$(3)' $(if $(K),-k '$(K)') $(1)
NATIVE := $(BUILD)/native/p2p

# --- goals -----------------------------------------------------------------------------------------------------------

# $(call under,FLAVOUR) calls make for one folder while holding that folder's lock.
lock_name = $(BUILD)/.lock-$(if $(filter release,$(1)),$(TARGET)-$(PLATFORM),$(1)-$(PLATFORM))
under = +@mkdir -p $(BUILD) && flock -o $(call lock_name,$(1)) $(MAKE) FLAVOUR=$(1)

# With T the rest of the tree may be broken: it is named, and the test is linked with what there is.
define unit_goal
	@[ -z '$(T)' ] || [ -e 'test/unit/test_$(T).c' ] || { echo "make: there is no test/unit/test_$(T).c" >&2; exit 1; }
	@[ -e /usr/include/cmocka.h ] || { echo "make: cmocka.h is missing; run sh test/setup.sh" >&2; exit 1; }
	$(under) -k _lib_objects $(if $(T),2>$(BUILD)/$(1)-broken.log || { \
	    echo "make: not everything compiles; going on with what does:"; \
	    grep -h 'error:' $(BUILD)/$(1)-broken.log | head -5; })
	$(under) _archive
	-$(under) -k _unit_binaries
	+@$(MAKE) FLAVOUR=$(1) _unit_run
endef

all:
	$(call under,release) _all

deps:
	$(call under,release) _deps

unit:
	$(call unit_goal,asan)

unit-tsan:
	$(call unit_goal,tsan)

unit-clang:
	$(call unit_goal,clang)

asan tsan debug wrapped:
	$(call under,$@) _all

clang-warnings:
	$(call under,warn) _objects
	@echo "clang: no warning"

posix:
	+@$(MAKE) PLATFORM=posix all

net: all wrapped
	@$(call pytest,test/net,$(NATIVE),not long)

# The page in a real browser.
browser: all
	@$(call pytest,test/browser,$(NATIVE),not long)

# Those that show the twins, and those of what has threads: an index has one, a short command too. The others show
# nothing there that they do not in `net`, and what mostly waits (once) costs most there; WHOLE=1 takes all the same.
NET_TESTS := $(wildcard test/net/test_*.py)
TWINS_SHOWN := clients content ended faults fetch get get_many get_twice http large load resume roles share stick swarm watch
NO_THREADS := changes cli docs doctor http index_faults join_wire lease mirrors names recipes records rules status suspend
POSIX_TESTS := $(if $(WHOLE),test/net,$(TWINS_SHOWN:%=test/net/test_%.py))
NOT_AGAIN := not long$(if $(WHOLE),, and not once)
TSAN_TESTS := $(if $(WHOLE),test/net,$(filter-out $(NO_THREADS:%=test/net/test_%.py),$(NET_TESTS)))

net-posix: posix
	@$(call pytest,$(POSIX_TESTS),$(BUILD)/native-posix/p2p,$(NOT_AGAIN) and not watch)

# Sanitizers slow the program down and take memory of their own: P2P_SLOW is a factor on deadlines.
net-asan: asan
	@P2P_SLOW=3 $(call pytest,test/net,$(BUILD)/asan/p2p,$(NOT_AGAIN))

net-tsan: FLAVOUR := tsan
net-tsan: tsan
	@P2P_SLOW=3 $(TSAN_RUN) $(call pytest,$(TSAN_TESTS),$(BUILD)/tsan/p2p,$(NOT_AGAIN))

net-long: all wrapped
	@$(call pytest,test/net,$(NATIVE),long)

CROSS := aarch64 armv7 armv6 riscv64

cross:
	+@for t in $(CROSS); do $(MAKE) TARGET=$$t all || exit 1; done

qemu: all cross
	@$(call pytest,test/qemu,$(NATIVE),not long)

fuzz:
	$(under_fuzz) _lib_objects
	$(under_fuzz) _archive
	$(under_fuzz) _fuzz_binaries
	+@$(MAKE) FLAVOUR=fuzz _fuzz_run
under_fuzz = $(call under,fuzz)

lint: all
	$(call under,lint) -k _lint

docs: all
	$(PYTHON) toolchains/man.py $(NATIVE) >$(BUILD)/p2p.1 && cp $(BUILD)/p2p.1 docs/p2p.1

# The same bytes from another folder, and its libraries from files instead of apt.
reproducible: all
	+@d=$(BUILD)/repro/another-folder; rm -rf $$d && mkdir -p $$d && \
	cp -r Makefile p2p.[ch] src platform toolchains $(wildcard web) $$d && \
	$(MAKE) -C $$d BUILD=build TARGET=native PLATFORM=linux DEPS_DIR=$(abspath $(DEPS_OUT)/files) all && \
	cmp $(NATIVE) $$d/build/native/p2p && cmp $(NATIVE).debug $$d/build/native/p2p.debug && rm -rf $$d && \
	echo "reproducible: the same bytes from two folders"

newcomer:
	@mkdir -p $(BUILD)
	@sh test/newcomer.sh $(abspath $(BUILD))/newcomer

size: all
	@$(PYTHON) test/lint/size.py $(BUILD)

# What takes long, and what another stage mostly shows (the fuzzers are built by clang too), is `make test-long`.
STAGES := setup lint clang-warnings unit unit-tsan all posix reproducible net browser net-posix net-asan net-tsan \
    qemu fuzz size

setup:
	@sh test/setup.sh

test:
	+@WERROR=1 bash test/stages.sh '$(MAKE)' $(BUILD)/log $(STAGES)

test-long:
	+@WERROR=1 WHOLE=1 FUZZ_SECONDS=600 STAGE_SECONDS=14400 bash test/stages.sh '$(MAKE)' $(BUILD)/log $(STAGES) unit-clang net-long newcomer

N ?= 100
TEST ?=
flaky: all wrapped
	@P2P=$(abspath $(NATIVE)) P2P_BUILD=$(abspath $(BUILD)) PYTHON='$(PYTHON)' bash test/flaky.sh '$(TEST)' $(N)

# Counts of the unit tests and of the network tests together.
cover:
	@find $(BUILD)/cover -name '*.gcda' -delete 2>/dev/null || :
	$(call unit_goal,cover)
	$(call under,cover) _all
	@[ ! -d test/net ] || $(call pytest,test/net,$(BUILD)/cover/p2p,not long)
	@$(PYTHON) test/lint/cover.py $(BUILD)/cover

# The small programs of bench/ are linked as the release is; the scripts find them in P2P_BENCH.
BENCH ?= $(sort $(wildcard bench/*.sh bench/bench_*.py))
# What p2p is measured beside, and the tests do not need. A bench says what it has to leave out.
RIVALS := aria2 curl nginx-light opentracker plocate rsync transmission-cli transmission-daemon wrk
bench: all
	$(call under,release) _bench_binaries
	@sh test/setup.sh $(RIVALS) || echo "bench: going on without what is missing"
	@for b in $(BENCH); do echo "== $$b"; \
	    P2P=$(abspath $(NATIVE)) P2P_BENCH=$(abspath $(BUILD)/native/bench) P2P_BUILD=$(abspath $(BUILD)) \
	    $$(case $$b in *.py) echo $(PYTHON);; *) echo bash;; esac) $$b || exit 1; done

format:
	clang-format -i $(FORMAT_SRC)

run: all
	@[ -d share ] || { mkdir share && \
	    printf 'What lies in this folder is shared. Fetch this file with: p2p get readme.txt\n' >share/readme.txt; }
	@exec $(NATIVE) both ./share

BINDIR = $(DESTDIR)$(PREFIX)/bin
SHAREDIR = $(DESTDIR)$(PREFIX)/share

install: all
	install -D -m 755 $(BUILD)/$(TARGET)$(if $(filter posix,$(PLATFORM)),-posix)/p2p $(BINDIR)/p2p
	install -D -m 644 docs/p2p.1 $(SHAREDIR)/man/man1/p2p.1
	install -D -m 644 config.ini $(SHAREDIR)/doc/p2p/config.ini

VERSION = $(shell sed -n 's/^.define P2P_VERSION "\(.*\)"/\1/p' p2p.h)

dist:
	@mkdir -p $(BUILD)
	git archive --format=tar --prefix=p2p-$(VERSION)/ HEAD | gzip -n9 >$(BUILD)/p2p-$(VERSION).tar.gz
	@echo $(BUILD)/p2p-$(VERSION).tar.gz

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^#: //p' Makefile

#: make                 build/native/p2p; TARGET=aarch64|armv7|armv6|riscv64, PLATFORM=posix, V=1 shows commands
#: make run             share ./share from this machine; prints the page's address
#: make test            everything that CI runs, stage by stage; each stage is a goal of its own:
#:     lint unit unit-tsan unit-clang net browser net-posix net-asan net-tsan qemu fuzz size reproducible
#:     clang-warnings
#: make unit T=text     one unit test; make net K=words the network tests that match
#: make flaky TEST=test/net/test_x.py::test_y N=100     one network test again and again, under load
#: make test-long       the long tests too (net-long newcomer), all network tests with the posix twins and under
#:                      ThreadSanitizer, and ten minutes of each fuzz target
#: make debug|asan|tsan|wrapped   build/debug/p2p and so on, with symbols, against the machine's C library
#: make cover           lines reached by the tests; make bench  the figures of README
#: make format          clang-format on everything; make docs  the man page, from the help and config.ini;
#:                      make setup  installs what the tests need
#: make install DESTDIR= PREFIX=/usr/local; make dist; make clean; make deps (DEPS=strict, DEPS_DIR=FOLDER)

.PHONY: all deps setup unit unit-tsan unit-clang asan tsan debug wrapped clang-warnings posix net browser net-posix net-asan net-tsan \
    net-long cross qemu fuzz lint docs reproducible newcomer size test test-long flaky cover bench format run install dist clean help \
    _all _objects _bench_binaries _lib_objects _deps _archive _unit_binaries _unit_run _fuzz_binaries _fuzz_run _lint _lint_tidy \
    _lint_cppcheck _lint_floors _lint_figures _lint_shell _lint_format _lint_docs _lint_self
