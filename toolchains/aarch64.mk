# 64-bit ARM: Raspberry Pi 3 and later with a 64-bit system, most newer boards.
TARGET_CC := aarch64-linux-gnu-gcc
TARGET_BIN := aarch64-linux-gnu-
TARGET_PACKAGE := gcc-aarch64-linux-gnu
TARGET_ARCH_FLAGS :=
TARGET_DEBIAN_ARCH := arm64
# Segments lie 64 KiB apart here, so that a little more code can make the file that much larger: speed only where it counts most.
TARGET_HOT :=
