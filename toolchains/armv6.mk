# Raspberry Pi 1 and Zero. ARM code throughout: Thumb-1 would be a sixth smaller but a third as fast, and it fits as it is.
TARGET_CC := arm-linux-gnueabi-gcc
TARGET_BIN := arm-linux-gnueabi-
TARGET_PACKAGE := gcc-arm-linux-gnueabi
TARGET_ARCH_FLAGS := -march=armv6 -marm
TARGET_DEBIAN_ARCH := armel
TARGET_HOT := src/catalog/*.c
