# 64-bit RISC-V boards that run Linux (rv64gc).
TARGET_CC := riscv64-linux-gnu-gcc
TARGET_BIN := riscv64-linux-gnu-
TARGET_PACKAGE := gcc-riscv64-linux-gnu
TARGET_ARCH_FLAGS := -march=rv64gc
TARGET_DEBIAN_ARCH := riscv64
# The packages' debug information has relocations that linkers before binutils 2.41 die of.
TARGET_DEPS_STRIP := riscv64-linux-gnu-strip -g
TARGET_HOT := src/run/*.c src/catalog/*.c
