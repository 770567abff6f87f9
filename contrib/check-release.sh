# What contrib/check does that is not a test of a build: the vectors of X1 from
# other compilers, and what a release is made of.  Sourced by it.

do_autogen() { ./autogen.sh; }

do_configured() { # BUILD CC CFLAGS
    configure "$1" --without-mpi --without-cuda --without-slurm \
        CC="$2" CFLAGS="$3"
    make -j"$jobs" tests/x1vectors
    tests/x1vectors "$top/vectors/x1" >x1vectors.out ||
        { tail -n 40 x1vectors.out; exit 1; }
    tail -n 1 x1vectors.out
}
# With the engine alone, which takes seconds; the same arithmetic.
do_kit() { # BUILD CC CFLAGS [RUNNER]
    contrib/kit.sh CC="$2" CFLAGS="$3" OUT="build/$1"
    ${4:-} "build/$1/check" --cases 20
    ${4:-} "build/$1/x1vectors" vectors/x1
}
vectors() { # HOW BUILD CC CFLAGS [RUNNER]
    how=$1
    shift
    check "$1" "the vectors of X1 with $2 $3" "do_$how" "$@"
    [ $status != 0 ] || say "$1: $(tail -n 1 "$(log_of "$1")")"
}
vectors_of() { # BUILD
    case $1 in
    clang-O2) vectors kit "$1" clang -O2 ;;
    # as configured, and where clang would contract
    clang-native) vectors configured "$1" clang "-O2 -march=native" ;;
    gcc-O0) vectors kit "$1" gcc -O0 ;;
    gcc-native) vectors kit "$1" gcc "-O3 -march=native" ;;
    arm) vectors kit "$1" aarch64-linux-gnu-gcc -O2 \
        "qemu-aarch64 -L /usr/aarch64-linux-gnu" ;;
    esac
}

part_vectors() {
    if command -v clang >/dev/null; then
        vectors_of clang-O2
        vectors_of clang-native
    else
        skip "clang-O2 and clang-native" "no clang"
    fi
    if command -v gcc >/dev/null; then
        vectors_of gcc-native
        vectors_of gcc-O0
    else
        skip "gcc-O0 and gcc-native" "no gcc"
    fi
}
part_arm() {
    if ! command -v aarch64-linux-gnu-gcc >/dev/null; then
        skip arm "no aarch64-linux-gnu-gcc (Debian: gcc-aarch64-linux-gnu)"
    elif ! command -v qemu-aarch64 >/dev/null; then
        skip arm "no qemu-aarch64 (Debian: qemu-user)"
    else
        vectors_of arm
    fi
}

# With --all from nothing, as a newcomer; else with the build that is there.
do_quickstart() {
    if [ $wide = no ] && [ ! -e quickstart.d ]; then
        mkdir quickstart.d
        ln -s ../build/gcc quickstart.d/build
    fi
    # compiled as the build with gcc is, which ccache then has; it has nothing
    # of nvcc
    printf '%s\n' enable_werror=yes with_cuda=no >build/quickstart.site
    CONFIG_SITE=$top/build/quickstart.site contrib/quickstart &&
        quickstarted=0 || quickstarted=$?
    [ ! -L quickstart.d/build ] || rm quickstart.d/build
    return $quickstarted
}

# The release builds, tests and installs itself.
do_distcheck() {
    rm -f build/gcc/apus-*.tar.gz
    # shellcheck disable=SC2046
    make -C build/gcc -j"$jobs" distcheck TESTS="$(echo $(tests_in_release))" \
        DISTCHECK_CONFIGURE_FLAGS="--enable-werror --without-cuda \
            --without-cusim --without-mpi --without-slurm \
            --without-localnet" || {
        for log in build/gcc/apus-*/_build/sub/tests/*.log; do
            ! grep -q '^not ok' "$log" || { echo "$log:"; failures "$log"; }
        done
        return 1
    }
    # in a checkout: the release has its files, and what autogen.sh makes
    git ls-files >build/files 2>/dev/null || return 0
    sort build/files | grep -vx .gitignore >build/tracked
    tar tzf build/gcc/apus-*.tar.gz | sed 's|^[^/]*/||' | sort >build/shipped
    comm -23 build/tracked build/shipped | sed 's/^/not in it: /' >build/wrong
    made='\.commit|Makefile\.in|aclocal\.m4|build-aux/.*|config(ure|\.h\.in)'
    made="$made|contrib/ao/queue(-[0-9])?\\.lua"
    comm -13 build/tracked build/shipped | sed 's/^/not of git: /' |
        grep -vE ": ($made|.*/)?\$" >>build/wrong || :
    cat build/wrong
    [ ! -s build/wrong ]
}

do_install() {
    root=$top/build/root
    rm -rf "$root"
    make -C build/gcc install DESTDIR="$root"
    find "$root" -type f | sort
    "$root/usr/local/bin/apus" --version
    "$root/usr/local/bin/apus-worker" --version
    "$root/usr/local/bin/apus" localnet --help
    test -x "$root/usr/local/bin/apus-batch.sh"
    for part in '' -2 -3; do
        test -f "$root/usr/local/share/apus/queue$part.lua"
    done
    grep -q '^PATH=/usr/local/bin:' "$root/usr/local/share/apus/apus.cron"
    grep -q '^ExecStart=/usr/local/bin/apus drain' \
        "$root/usr/local/lib/systemd/system/apus-drain.service"
    test -f "$root/usr/local/lib/systemd/system/apus-drain.timer"
    ls "$root"/usr/local/share/apus/modulefiles/apus/*
    test -f "$root/usr/local/share/bash-completion/completions/apus"
    test -f "$root/usr/local/share/man/man1/apus.1"
    test -f "$root/usr/local/share/man/man1/apus-run.1"
    test -f "$root/usr/local/share/man/man5/apus.conf.5"
    test -f "$root/usr/local/share/man/man1/apus-worker.1"
    test -f "$root/usr/local/share/man/man5/apus-model.5"
    make -C build/gcc uninstall DESTDIR="$root"
    left=$(find "$root" -type f)
    [ -z "$left" ] || { echo "left behind: $left"; exit 1; }
    # to another prefix than the build was made for
    make -s -C build/gcc install DESTDIR="$root" prefix=/opt/apus
    if grep -r /usr/local "$root/opt/apus/share/apus" \
        "$root/opt/apus/lib/systemd"; then exit 1; fi
    "$root/opt/apus/bin/apus" localnet --help
    make -s -C build/gcc uninstall DESTDIR="$root" prefix=/opt/apus
    make -s -C build/gcc
}

do_scripts() { # every script at least parses
    for f in autogen.sh .ci/run contrib/* jobs/*.sh src/*.sh tests/*.sh \
        tests/*.t; do
        [ -f "$f" ] || continue
        case $(head -n 1 "$f") in
        '#!/bin/sh'*) echo "$f"; sh -n "$f" ;;
        esac
    done
}
