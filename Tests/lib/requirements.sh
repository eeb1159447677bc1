# shellcheck shell=bash
# What the scripts of this repository need from the host, and how they get it. Sourced, not run.
#
# A requirement is stated by what is used (a program, a library that pkg-config knows), not by the package that brings
# it, so that any distribution will do; only installing is for those with apt.

# Administration programs (mkfs.xfs, losetup) are not on every user's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# The Swift that Package.swift needs.
readonly swift_major=6 swift_minor=3

# complain MESSAGE...: says what is wrong, and what to do about it.
complain() {
    printf '%s: %s\n' "$0" "$*" >&2
}

# require_swift: fails unless the compiler is new enough.
require_swift() {
    local remedy="install it from https://www.swift.org/install/linux/ and put its usr/bin on PATH"
    if ! command -v swift >/dev/null; then
        complain "no swift on PATH; this needs Swift $swift_major.$swift_minor or later: $remedy"
        return 1
    fi
    local output
    if ! output=$(swift --version 2>&1); then
        complain "'swift --version' fails: $output"
        return 1
    fi
    if [[ ! $output =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]]; then
        complain "cannot tell the version of $(command -v swift) from: $output"
        return 1
    fi
    local major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]}
    if ((major < swift_major || (major == swift_major && minor < swift_minor))); then
        complain "$(command -v swift) is Swift $major.$minor; this needs $swift_major.$swift_minor or later: $remedy"
        return 1
    fi
}

# is_there PROBE: whether a requirement is met. A probe is "program NAME" or "library NAME".
is_there() {
    case $1 in
    program\ *) command -v "${1#program }" >/dev/null ;;
    library\ *) command -v pkg-config >/dev/null && pkg-config --exists "${1#library }" ;;
    *)
        complain "'$1' is no probe"
        return 2
        ;;
    esac
}

# require PACKAGE PROBE [PACKAGE PROBE]...: installs the Debian packages whose probes fail.
#
# As root with apt-get, otherwise through sudo if that asks no question; else it says what to run. Probes are looked at
# again afterwards, so that what it returns is the truth.
require() {
    local -a wanted=("$@") missing=()
    local i
    for ((i = 0; i < ${#wanted[@]}; i += 2)); do
        is_there "${wanted[i + 1]}" || missing+=("${wanted[i]}")
    done
    ((${#missing[@]} > 0)) || return 0

    if ! command -v apt-get >/dev/null; then
        complain "missing, by the names of their Debian packages: ${missing[*]}; install what brings them here"
        return 1
    fi
    local -a as_root=()
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            complain "missing: ${missing[*]}; run: sudo apt-get install ${missing[*]}"
            return 1
        fi
        as_root=(sudo -n)
    fi
    echo "Installing ${missing[*]}"
    local -a install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}")
    # The lists of packages may be missing or old: fetch them only if it does not work without.
    if ! "${as_root[@]}" "${install[@]}" >/dev/null 2>&1; then
        "${as_root[@]}" apt-get update -q
        "${as_root[@]}" "${install[@]}"
    fi
    for ((i = 0; i < ${#wanted[@]}; i += 2)); do
        if ! is_there "${wanted[i + 1]}"; then
            complain "${wanted[i]} is installed and there is still no ${wanted[i + 1]}"
            return 1
        fi
    done
}

# require_build: all that `swift build` needs.
require_build() {
    require_swift
    require git 'program git' pkg-config 'program pkg-config' libtirpc-dev 'library libtirpc' \
        libpmem-dev 'library libpmem' libsqlite3-dev 'library sqlite3 >= 3.37'
}

# can_mount: whether filesystem images can be mounted here.
can_mount() {
    ((EUID == 0)) && losetup --find >/dev/null 2>&1
}
