# 32-bit ARM with an FPU: Raspberry Pi 2 and later, BeagleBone, most older boards. Thumb-2 for size.
TARGET_CC := arm-linux-gnueabihf-gcc
TARGET_BIN := arm-linux-gnueabihf-
TARGET_PACKAGE := gcc-arm-linux-gnueabihf
# musl keeps each thread's stack guard 8 bytes below the thread pointer: read there it takes 10 KiB less than by the GOT.
TARGET_ARCH_FLAGS := -mthumb -march=armv7-a+fp -mfloat-abi=hard -mstack-protector-guard=tls -mstack-protector-guard-offset=-8
TARGET_DEBIAN_ARCH := armhf
TARGET_HOT := src/catalog/*.c
