# 64-bit RISC-V boards that run Linux (rv64gc).
TARGET_CC := riscv64-linux-gnu-gcc
TARGET_BIN := riscv64-linux-gnu-
TARGET_PACKAGE := gcc-riscv64-linux-gnu
TARGET_ARCH_FLAGS := -march=rv64gc
TARGET_HOT_FLAGS :=
TARGET_DEBIAN_ARCH := riscv64
TARGET_QEMU := qemu-riscv64-static
