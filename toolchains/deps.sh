#!/bin/sh
# SPDX-License-Identifier: MIT
# Gets the libraries that p2p is linked from, as deps.txt pins them, and unpacks them for one target:
#   OUT/src/PACKAGE/            upstream source
#   OUT/TARGET/root/            the target's headers and static libraries
#   OUT/TARGET/musl-gcc.specs   makes a glibc gcc, native or cross, compile and link against that musl
#   OUT/TARGET/stamp            what it was made from; a run that finds it right does nothing
# It uses apt with a state of its own below OUT and the mirror that this machine already uses, changes nothing on the
# system, and needs no root. It does not build anything: that is the Makefile's work.
#
# usage: deps.sh TARGET DEBIAN-ARCH OUT          environment: DEPS=strict refuses anything but the pinned versions,
#                                                DEPS_DIR=FOLDER takes the files from there, without apt
#                                                DEPS_STRIP=COMMAND removes debug information from what is linked
set -eu

RELEASE=trixie
here=$(dirname "$0")
pins=$here/deps.txt

die() {
    printf 'deps: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '      %s\n' "$line" >&2; done
    exit 1
}

say() { printf 'deps: %s\n' "$*"; }

[ $# -eq 3 ] || die "usage: deps.sh TARGET DEBIAN-ARCH OUT"
target=$1
arch=$2
mkdir -p "$3"
out=$(cd "$3" && pwd)
root=$out/$target/root
files=$out/files
apt=$out/apt
strict=${DEPS:-}

need() {
    command -v "$1" >/dev/null 2>&1 || die "$1 is missing: $2"
}

sha256_of() { sha256sum "$1" | cut -d ' ' -f 1; }

# The rows that this target needs: its own architecture's binaries, and all sources.
rows() { awk -v arch="$arch" '!/^#/ && NF == 6 && ($5 == arch || $5 == "-")' "$pins"; }

# One stanza of deb822 for our release, from the first Debian mirror that this machine's apt knows: its address
# and its key, nothing else. Files that apt would not read (wrong ending) are not read here either.
mirror_stanza() {
    eval "$(apt-config shell etc Dir::Etc/d list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    # shellcheck disable=SC2154 # etc, list and parts come from apt-config
    set -- "${list:-$etc/sources.list}" "${parts:-$etc/sources.list.d}"
    {
        for f in "$1" "${2%/}"/*.list; do
            [ -r "$f" ] && awk '
                $1 == "deb" {
                    key = ""; at = 2
                    if ($2 ~ /^\[/) {
                        for (; at <= NF; at++) {
                            word = $at; gsub(/[][]/, "", word)
                            if (word ~ /^signed-by=/) key = substr(word, 11)
                            if ($at ~ /\]$/) { at++; break }
                        }
                    }
                    print "URIs: " $at; print "Suites: " $(at + 1)
                    if (key != "") print "Signed-By: " key
                    print ""
                }' "$f"
        done
        for f in "${2%/}"/*.sources; do
            [ -r "$f" ] && { grep -v '^#' "$f"; echo; }
        done
    } | awk -v release="$RELEASE" '
        function flush() {
            if (!done && uri ~ /(^|\/)debian(\.list)?(\/|$)/ && suite !~ /-security/ && on) {
                print "Types: deb deb-src\nURIs: " uri "\nSuites: " release "\nComponents: main"
                if (key != "") print key
                done = 1
            }
            uri = suite = key = field = ""; on = 1
        }
        BEGIN { on = 1 }
        /^[ \t]*$/ { flush(); next }
        /^[^ \t]/ { field = tolower($1) }
        field == "uris:" && uri == "" { uri = $2 }
        field == "suites:" && suite == "" { suite = $2 }
        field == "enabled:" && tolower($2) ~ /^(no|false|off|0)$/ { on = 0 }
        field == "signed-by:" { key = key (key == "" ? "" : "\n") $0 }
        END { flush() }'
}

# Quotes for apt's own configuration language; it is read after the system's, so that a proxy set there still counts.
apt_prepare() {
    need apt-get "use DEPS_DIR=FOLDER with the files of toolchains/deps.txt, or build on Debian"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources.d"
    : >"$apt/status"
    mirror_stanza >"$apt/sources.d/mirror.sources.new"
    [ -s "$apt/sources.d/mirror.sources.new" ] || die "this machine's apt knows no Debian mirror" \
        "add one to its sources, or use DEPS_DIR=FOLDER with the files of toolchains/deps.txt"
    mv "$apt/sources.d/mirror.sources.new" "$apt/sources.d/mirror.sources"
    cat >"$apt/apt.conf" <<EOF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources.d";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Default-Release "";
APT::Get::List-Cleanup "false";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
EOF
}

apt_run() {
    tool=$1
    shift
    "$tool" -c "$apt/apt.conf" -q "$@"
}

apt_update() {
    apt_prepare
    say "reading the package lists of $RELEASE ($arch)"
    if ! apt_run apt-get update --error-on=any >"$apt/log" 2>&1; then
        sed 's/^/      /' "$apt/log" >&2
        die "the package lists of $RELEASE could not be read from this machine's mirror (above)" \
            "no network: DEPS_DIR=FOLDER; a key is missing: install debian-archive-keyring of $RELEASE or later"
    fi
}

# The newest version in the archive, for the loud line and for the error when there is none of the series.
newest() {
    case $1 in
        deb) apt_run apt-cache madison "$2" ;;
        src) apt_run apt-cache showsrc "$2" | awk '$1 == "Version:" { print "x | " $2 " | Sources" }' ;;
    esac 2>/dev/null | awk -F ' *[|] *' -v kind="$1" '($3 ~ /Sources/) == (kind == "src") { print $2; exit }' |
        tr -d ' '
}

download() {
    (
        cd "$1"
        if [ "$2" = deb ]; then
            apt_run apt-get download "$3=$4"
        else
            apt_run apt-get source --tar-only --download-only "$3=$4"
        fi
    ) >"$apt/log" 2>&1
}

# The one file that a download left in its folder; its name is the archive's affair.
only_file() { find "$1" -type f ! -name '*.dsc' | head -n 1; }

# Puts one pinned file into $files/NAME, where NAME is its SHA-256, or that of the version taken instead.
fetch() {
    kind=$1 package=$2 series=$3 version=$4 sum=$6
    work=$out/fetch.$$
    rm -rf "$work"
    mkdir -p "$work"
    taken=$version
    if ! download "$work" "$kind" "$package" "$version"; then
        taken=$(newest "$kind" "$package")
        case $taken in
            '') die "$package ($arch) is not in $RELEASE any more" "see $apt/log" ;;
            "$version")
                sed 's/^/      /' "$apt/log" >&2
                die "$package $version could not be downloaded (above)" "try again, or use DEPS_DIR=FOLDER"
                ;;
            "$series"*) ;;
            *) die "$package $version has left the archive and $taken is another series than $series" \
                "move the pin in toolchains/deps.txt and test, or use DEPS_DIR=FOLDER" ;;
        esac
        dpkg --compare-versions "$taken" gt "$version" || die "$package $version has left the archive, $taken is older"
        [ "$strict" != strict ] || die "$package $version has left the archive (DEPS=strict refuses $taken)" \
            "move the pin in toolchains/deps.txt, or use DEPS_DIR=FOLDER"
        say "*** NOT THE PINNED VERSION: $package $version has left the archive, taking $taken (signed by Debian) ***"
        download "$work" "$kind" "$package" "$taken" || die "$package $taken could not be downloaded" "see $apt/log"
    fi
    got=$(only_file "$work")
    [ -n "$got" ] || die "apt left no file for $package $taken" "see $apt/log"
    if [ "$taken" = "$version" ] && [ "$(sha256_of "$got")" != "$sum" ]; then
        die "$package $version ($arch) is not the pinned file" "pinned $sum" "got    $(sha256_of "$got")" \
            "if the pin was just moved, put the second one into toolchains/deps.txt"
    fi
    rm -f "$files/$sum.taken"
    [ "$taken" = "$version" ] || echo "$taken" >"$files/$sum.taken"
    mv "$got" "$files/$sum"
    rm -rf "$work"
}

from_folder() {
    for f in "$DEPS_DIR"/*; do
        if [ -f "$f" ] && [ "$(sha256_of "$f")" = "$2" ]; then
            cp "$f" "$files/$2"
            return 0
        fi
    done
    die "DEPS_DIR=$DEPS_DIR has no file with the SHA-256 of $1:" "$2" "toolchains/deps.txt lists what it needs"
}

get_all() {
    mkdir -p "$files"
    updated=no
    rows >"$out/rows.$$"
    while read -r kind package series version pin_arch sum; do
        # A version taken instead of the pinned one is marked: strict must not find it here.
        if [ -s "$files/$sum" ]; then
            if [ "$strict" != strict ] || [ ! -e "$files/$sum.taken" ]; then continue; fi
        fi
        if [ -n "${DEPS_DIR:-}" ]; then
            from_folder "$package $version ($pin_arch)" "$sum"
        else
            [ $updated = yes ] || apt_update
            updated=yes
            say "$package $version"
            fetch "$kind" "$package" "$series" "$version" "$pin_arch" "$sum"
        fi
    done <"$out/rows.$$"
    rm -f "$out/rows.$$"
}

unpack_deb() {
    if command -v dpkg-deb >/dev/null 2>&1; then
        dpkg-deb -x "$1" "$2"
    else
        need ar "install binutils"
        ar p "$1" data.tar.xz | tar -xJ -C "$2"
    fi
}

# The tar in a .tar.gz or .tar.xz, to stdout. A small Debian has no xz, but its dpkg reads what is a package in form.
plain_tar() {
    if gzip -t "$1" 2>/dev/null; then
        gzip -dc "$1"
        return
    fi
    if command -v xz >/dev/null 2>&1; then
        xz -dc "$1"
        return
    fi
    need dpkg-deb "install xz-utils"
    need ar "install binutils"
    rm -rf "$out/plain" && mkdir "$out/plain"
    cp "$1" "$out/plain/data.tar.xz"
    (cd "$out/plain" && echo 2.0 >debian-binary && : >control && tar -cf control.tar control &&
        ar cr plain.deb debian-binary control.tar data.tar.xz && dpkg-deb --fsys-tarfile plain.deb)
    rm -rf "$out/plain"
}

# A source is shared by all targets, so it is replaced only when its pin has changed.
unpack_src() {
    [ "$(cat "$out/src/$2.from" 2>/dev/null || :)" = "$3" ] && return 0
    rm -rf "$out/src/$2"
    mkdir -p "$out/src/$2"
    plain_tar "$1" >"$out/src/$2.tar"
    tar -xf "$out/src/$2.tar" -C "$out/src/$2" --strip-components=1
    rm "$out/src/$2.tar"
    echo "$3" >"$out/src/$2.from"
}

unpack_all() {
    rm -rf "$root"
    mkdir -p "$root"
    rows | while read -r kind package _ _ _ sum; do
        case $kind in
            deb) unpack_deb "$files/$sum" "$root" ;;
            src) unpack_src "$files/$sum" "$package" "$sum" ;;
            *) die "$pins: unknown kind $kind" ;;
        esac
    done
    specs=$(find "$root" -name musl-gcc.specs)
    [ -n "$specs" ] || die "musl-dev ($arch) has no musl-gcc.specs" "the pin in toolchains/deps.txt cannot be used"
    sed "s|/usr/|$root/usr/|g" "$specs" >"$out/$target/musl-gcc.specs"
    if [ -n "${DEPS_STRIP:-}" ]; then
        need "${DEPS_STRIP%% *}" "install the cross compiler that toolchains/$target.mk names"
        find "$root" -name '*.[oa]' | while read -r f; do $DEPS_STRIP "$f"; done
    fi
    # Fixed names for what the Makefile links, whatever the distribution calls its triplets.
    ln -sf "$(find "$root" -name libllhttp.a)" "$root/libllhttp.a"
}

key=$({
    echo "$root $strict ${DEPS_STRIP:-}"
    cat "$0"
    rows
} | sha256sum | cut -d ' ' -f 1)
stamp=$out/$target/stamp
fresh() { [ "$(cat "$stamp" 2>/dev/null || :)" = "$key" ]; }

fresh && { touch "$stamp"; exit 0; }
need awk "install mawk or gawk"
need sha256sum "install coreutils"
if [ -z "${P2P_DEPS_LOCKED:-}" ]; then
    need flock "install util-linux"
    P2P_DEPS_LOCKED=1 exec flock "$out/lock" "$0" "$@"
fi
rows | grep -q musl-dev || die "no pins for the architecture $arch" "add its rows to toolchains/deps.txt"
get_all
unpack_all
echo "$key" >"$stamp"
say "ready for $target in $out/$target"
