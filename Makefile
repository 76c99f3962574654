# The only build file. `make help` lists the goals.
#
# What is built where:
#   build/TARGET/        the release, static against musl            (make, make TARGET=armv6)
#   build/TARGET-posix/  the same with the plain POSIX twins         (make PLATFORM=posix)
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
PLATFORM_SRC := $(filter-out $(TWIN_FAMILIES:%=platform/%_%.c),$(wildcard platform/*.c)) \
    $(wildcard $(TWINS_$(PLATFORM):%=platform/%.c))
LIB_SRC := $(sort $(PLATFORM_SRC) $(wildcard src/*/*.c))
HOT_SRC := $(wildcard platform/sha256_*.c src/wire/digest*.c src/run/*.c src/catalog/*.c)
WEB_SRC := $(if $(wildcard src/ui/web.h),$(sort $(wildcard web/*.*)))

# --- flavours --------------------------------------------------------------------------------------------------------

O := $(BUILD)/$(if $(filter release,$(FLAVOUR)),$(TARGET),$(FLAVOUR))$(if $(filter posix,$(PLATFORM)),-posix)
DEPS_OUT := $(BUILD)/deps
DEPS_ROOT := $(DEPS_OUT)/$(TARGET)/root
DEPS_STAMP := $(DEPS_OUT)/$(TARGET)/stamp

WARN := -Wall -Wextra -Wshadow -Wconversion -Wundef -Wmissing-prototypes -Wstrict-prototypes -Wvla
# Paths in the binary and its symbols do not depend on where the tree lies.
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(abspath $(BUILD))=build
BASE_CFLAGS := -std=c11 -g $(REPRODUCIBLE)
SMALL := -Os
HOT := -O2
LDFLAGS :=
WRAP :=

ifeq ($(FLAVOUR),release)
MUSL := yes
CC := $(TARGET_CC)
HARDEN := -fPIE -fstack-protector-strong
CFLAGS := $(BASE_CFLAGS) $(HARDEN) $(TARGET_ARCH_FLAGS) -flto=auto -fno-fat-lto-objects -ffunction-sections \
    -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables
LDFLAGS := -static-pie -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--build-id=sha1 \
    -Wl,--warn-common -Wl,--fatal-warnings
HOT += $(TARGET_HOT_FLAGS)
SMALL += $(TARGET_COLD_FLAGS)
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
FLAGS_lint := -O0
ifeq ($(FLAGS_$(FLAVOUR)),)
$(error FLAVOUR=$(FLAVOUR) is unknown; there are: release debug asan tsan clang fuzz cover warn lint)
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
VISIBLE = $(if $(filter platform/% test/% $(O)/%,$<),-D_GNU_SOURCE=,-D_POSIX_C_SOURCE=200809L)
DEPS_INCLUDE := -isystem $(DEPS_OUT)/src/yyjson/src -isystem $(DEPS_OUT)/src/libinih -isystem $(O)/include
YYJSON_FLAGS := -DYYJSON_DISABLE_NON_STANDARD=1 -DYYJSON_DISABLE_UTILS=1 -DYYJSON_DISABLE_FAST_FP_CONV=1 \
    -DYYJSON_DISABLE_INCR_READER=1
INIH_FLAGS := -DINI_USE_STACK=1 -DINI_HANDLER_LINENO=1 -DINI_ALLOW_MULTILINE=0 -DINI_STOP_ON_FIRST_ERROR=0 \
    -DINI_MAX_LINE=4096 -DINI_ALLOW_BOM=1
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
	$(call say,CC,yyjson)$(compile_deps) -c -o $@ $(DEPS_OUT)/src/yyjson/src/yyjson.c

$(O)/obj/deps/ini.o: $(READY)
	@mkdir -p $(dir $@)
	$(call say,CC,inih)$(compile_deps) -c -o $@ $(DEPS_OUT)/src/libinih/ini.c

$(BUILD)/host/pack: toolchains/pack.c
	@mkdir -p $(dir $@)
	$(call say,HOST,$<)$(HOSTCC) -std=c11 -O1 -o $@ $<

$(O)/web.c: $(BUILD)/host/pack $(WEB_SRC) $(O)/links
	$(call say,PACK,web)$(BUILD)/host/pack web/ $(WEB_SRC) >$@

$(O)/obj/web.o: $(O)/web.c src/ui/web.h $(READY)
	@mkdir -p $(dir $@)
	$(call say,CC,$<)$(compile) $(SMALL) $(WARN) $(INCLUDE) -c -o $@ $<

-include $(wildcard $(O)/obj/*.d $(O)/obj/*/*.d $(O)/obj/*/*/*.d)

# --- the program -----------------------------------------------------------------------------------------------------

# The symbols go beside the binary; gdb finds them by the link in it.
$(P2P): $(MAIN_OBJ) $(LIB_OBJ) $(DEPS_OBJ) $(DEPS_STAMP) $(O)/links
	$(call say,LD,$@)$(compile) $(SMALL) $(LDFLAGS) -Wl,-Map=$(O)/p2p.map -o $@.full $(filter %.o,$^) $(LLHTTP) $(if $(MUSL),,-lpthread)
ifeq ($(FLAVOUR),release)
	$(Q)$(TARGET_BIN)objcopy --only-keep-debug $@.full $@.debug
	$(Q)$(TARGET_BIN)strip -s -R .comment -R .note.gnu.property $@.full
	$(Q)cd $(O) && $(TARGET_BIN)objcopy --add-gnu-debuglink=p2p.debug p2p.full
endif
	@mv $@.full $@ && : >$(O)/made

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
UNIT_SRC := $(if $(T),test/unit/test_$(T).c,$(sort $(wildcard test/unit/test_*.c)))
UNIT_BIN := $(UNIT_SRC:test/unit/%.c=$(O)/unit/%)
TSAN_RUN := $(if $(filter tsan,$(FLAVOUR)),setarch -R)
export ASAN_OPTIONS ?= detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0
export UBSAN_OPTIONS ?= print_stacktrace=1
export TSAN_OPTIONS ?= halt_on_error=1:second_deadlock_stack=1

# $(AR) of what exists: rebuilt whole when any object is newer, or one has gone.
_archive:
	@objs=$$(ls $(LIB_OBJ) $(DEPS_OBJ) 2>/dev/null); \
	if [ -n "$$(find $$objs $(O)/links -newer $(O)/libp2p.a 2>&1)" ] || \
	    [ "$$objs" != "$$(cat $(O)/libp2p.list 2>/dev/null)" ]; then \
	    rm -f $(O)/libp2p.a; ar rcs $(O)/libp2p.a $$objs && echo "$$objs" >$(O)/libp2p.list; fi

$(O)/unit/%: $(O)/obj/test/unit/%.o $(O)/libp2p.a
	@mkdir -p $(dir $@)
	$(call say,LD,$@)$(compile) $(LDFLAGS) -o $@ $< $(O)/libp2p.a $(LLHTTP) -lcmocka -lpthread

_unit_binaries: $(UNIT_BIN)
	@:

# Each test binary prints cmocka's own lines; the goal fails when one does, after all have run.
_unit_run:
	@failed=; for b in $(UNIT_BIN); do \
	    echo "-- $${b##*/}"; $(TSAN_RUN) timeout 300 $$b || failed="$$failed $${b##*/}"; done; \
	if [ -n "$$failed" ]; then echo "unit ($(FLAVOUR)): FAILED:$$failed"; exit 1; fi; \
	echo "unit ($(FLAVOUR)): $(words $(UNIT_BIN)) binaries passed"

# --- goals -----------------------------------------------------------------------------------------------------------

# $(call under,FLAVOUR) calls make for one folder while holding that folder's lock.
lock_name = $(BUILD)/.lock-$(if $(filter release,$(1)),$(TARGET)-$(PLATFORM),$(1)-$(PLATFORM))
under = +@mkdir -p $(BUILD) && flock -o $(call lock_name,$(1)) $(MAKE) FLAVOUR=$(1)

# With T the rest of the tree may be broken: it is named, and the test is linked with what there is.
define unit_goal
	@[ -z '$(T)' ] || [ -e 'test/unit/test_$(T).c' ] || { echo "make: there is no test/unit/test_$(T).c" >&2; exit 1; }
	@[ -e /usr/include/cmocka.h ] || { echo "make: cmocka.h is missing; run sh test/setup.sh" >&2; exit 1; }
	$(under) $(if $(T),-k) _lib_objects $(if $(T),2>$(BUILD)/$(1)-broken.log || { \
	    echo "make: not everything compiles; going on with what does:"; \
	    grep -h 'error:' $(BUILD)/$(1)-broken.log | head -5; })
	$(under) _archive
	$(under) _unit_binaries
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

asan tsan debug:
	$(call under,$@) _all

run: all
	@[ -d share ] || { mkdir share && printf 'Files in this folder are shared.\nGet this one with: p2p get readme.txt\n' >share/readme.txt; }
	@exec $(BUILD)/native/p2p both ./share

clean:
	rm -rf $(BUILD)

.PHONY: all deps unit unit-tsan unit-clang asan tsan debug run clean _all _objects _lib_objects _deps _archive \
    _unit_binaries _unit_run
