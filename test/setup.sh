#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what the tests need through apt, or the packages named, as root or with sudo; does nothing when all is
# there. No service is started: nginx is only a measure that bench/ starts by itself.
set -eu

clang_version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
packages="gcc make libc6-dev binutils xz-utils git
    libcmocka-dev clang clang-tidy clang-format libclang-rt-${clang_version:-14}-dev llvm
    cppcheck shellcheck universal-ctags
    gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf gcc-arm-linux-gnueabi gcc-riscv64-linux-gnu qemu-user-static
    python3-pytest python3-pytest-timeout python3-pytest-xdist python3-selenium chromium chromium-driver
    debootstrap dosfstools exfat-fuse exfatprogs kmod strace
    nginx-light aria2 curl wget wrk openssl iproute2 tmux util-linux procps"
[ $# -eq 0 ] || packages=$*

missing() {
    # shellcheck disable=SC2086 # a list of words
    for package in $packages; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :) in
            installed) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

need=$(missing)
if [ -z "$need" ]; then
    echo "setup: all packages are there"
    exit 0
fi
echo "setup: installing $need"
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
    echo "setup: needs root or sudo to install: $need" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
as_root apt-get -q update
# shellcheck disable=SC2086 # a list of words
as_root apt-get -q install -y --no-install-recommends $need
need=$(missing)
[ -z "$need" ] || { echo "setup: still missing: $need" >&2; exit 1; }
echo "setup: done"
