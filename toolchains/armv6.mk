# Raspberry Pi 1 and Zero. Thumb-1 is a fifth smaller but a third as fast: cold files only, the hot ones are ARM code.
TARGET_CC := arm-linux-gnueabi-gcc
TARGET_BIN := arm-linux-gnueabi-
TARGET_PACKAGE := gcc-arm-linux-gnueabi
TARGET_ARCH_FLAGS := -march=armv6 -marm
TARGET_HOT_FLAGS :=
TARGET_DEBIAN_ARCH := armel
TARGET_QEMU := qemu-arm-static -cpu arm1176
