# 32-bit ARM with an FPU: Raspberry Pi 2 and later, BeagleBone, most older boards. Thumb-2 for size.
TARGET_CC := arm-linux-gnueabihf-gcc
TARGET_BIN := arm-linux-gnueabihf-
TARGET_PACKAGE := gcc-arm-linux-gnueabihf
TARGET_ARCH_FLAGS := -mthumb -march=armv7-a+fp -mfloat-abi=hard
TARGET_DEBIAN_ARCH := armhf
TARGET_HOT := src/catalog/*.c
