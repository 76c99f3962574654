#!/bin/sh
# SPDX-License-Identifier: MIT
# What README says at its beginning, on a machine that has nothing: a minimal Debian of debootstrap with gcc and make, the
# tree as it was committed, a user without rights. He builds, shares a folder and fetches a file. Needs root and a mirror.
# usage: newcomer.sh FOLDER     the folder is made anew, and removed when all went well
set -eu

root=$1
[ "$(id -u)" -eq 0 ] || { echo "newcomer: skipped, debootstrap needs root"; exit 0; }
command -v debootstrap >/dev/null || { echo "newcomer: debootstrap is missing; run sh test/setup.sh" >&2; exit 1; }
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk -v release="$release" '$2 == release { print $1; exit }')

end() {
    umount "$root/proc" 2>/dev/null || :
}
trap end EXIT

end
rm -rf "$root"
mkdir -p "$root"
debootstrap --variant=minbase --include=gcc,libc6-dev,make "$release" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 5 "$root.log" >&2; echo "newcomer: debootstrap failed" >&2; exit 1; }
# How this machine reaches its mirror is how the new one does.
for conf in /etc/apt/apt.conf.d/*roxy* /etc/resolv.conf /etc/hosts; do
    [ ! -e "$conf" ] || cp "$conf" "$root$conf"
done
mount -t proc proc "$root/proc"
chroot "$root" useradd -m newcomer
git archive HEAD | chroot "$root" su newcomer -c 'mkdir ~/p2p && tar x -C ~/p2p'
cat >"$root/home/newcomer/try.sh" <<'TRY'
set -eu
cd ~/p2p
make
export PATH="$PWD/build/native:$PATH"
mkdir -p ~/share/music ~/here
head -c 5000000 /dev/urandom >~/share/music/song.ogg
mkfifo ~/log
p2p both ~/share -l 127.0.0.1:0 >~/log &
both=$!
trap 'kill $both' EXIT
exec 3<~/log
while read -r line <&3; do
    case $line in *"listening on "*) at=${line##* } && break ;; esac
done
cat <&3 >/dev/null &
(cd ~ && echo wait | p2p shell)
cd ~/here
p2p get music/song.ogg -i "$at" >sums
sha256sum -c sums
cmp song.ogg ~/share/music/song.ogg
p2p doctor -i "$at"
TRY
chroot "$root" su newcomer -c 'sh ~/try.sh'
end
rm -rf "$root" "$root.log"
echo "newcomer: built and used on a Debian with nothing but gcc and make"
