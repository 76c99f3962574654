# The machine that builds. Its compiler is the system's; musl comes from deps.sh as for every other target.
TARGET_CC := gcc
TARGET_BIN :=
TARGET_ARCH_FLAGS :=
TARGET_DEBIAN_ARCH := $(shell dpkg --print-architecture 2>/dev/null || uname -m | \
    sed 's/x86_64/amd64/;s/aarch64/arm64/;s/armv7l/armhf/;s/armv6l/armel/')
TARGET_HOT := src/run/*.c src/catalog/*.c src/base/*.c src/wire/*.c src/index/announce.c src/index/changes.c src/index/reply.c src/index/ask.c src/index/source.c src/index/rank.c src/index/reach.c
# Where the linker can, what is moved at start is told by a bitmap: 0.3 KiB instead of 18.
ifneq ($(shell ld --help 2>/dev/null | grep pack-relative-relocs),)
TARGET_LDFLAGS := -Wl,-z,pack-relative-relocs
endif
