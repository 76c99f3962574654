# Raspberry Pi 1 and Zero. What is asked often is ARM code; the rest is Thumb-1, a third smaller and a third as fast.
TARGET_CC := arm-linux-gnueabi-gcc
TARGET_BIN := arm-linux-gnueabi-
TARGET_PACKAGE := gcc-arm-linux-gnueabi
TARGET_ARCH_FLAGS := -march=armv6 -marm
TARGET_DEBIAN_ARCH := armel
TARGET_HOT := src/run/*.c src/catalog/*.c src/base/*.c src/wire/*.c
TARGET_SMALL_FLAGS := -mthumb
