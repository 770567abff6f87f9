# The builds of contrib/check, made once in a call of it each.  Sourced by it.

# Compile the same once: the release and quickstart are what gcc compiled.
keep_compiled() {
    [ -x /usr/lib/ccache/gcc ] || return 0
    PATH=/usr/lib/ccache:$PATH
    CCACHE_DIR=$top/build/ccache
    CCACHE_BASEDIR=$top
    CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=time_macros
    export PATH CCACHE_DIR CCACHE_BASEDIR CCACHE_NOHASHDIR CCACHE_SLOPPINESS
}

configure() { # BUILD ARGUMENTS...
    rm -rf "build/$1"
    mkdir -p "build/$1"
    cd "build/$1"
    shift
    "$top/configure" "$@"
}
# A newcomer's run compiles no kernels for GPUs; whatever is named gets them.
flags_gcc() {
    set -- --enable-werror CC=gcc
    [ $fresh = no ] || [ $wide = yes ] ||
        set -- "$@" --without-cuda --without-cusim
    configure gcc "$@"
}
flags_san() {
    configure san --enable-werror --enable-fuzz --enable-crash-tests \
        --without-mpi --without-cuda --without-cusim \
        --without-slurm CC=clang CFLAGS="-O1 -g -fno-omit-frame-pointer \
        -fsanitize=fuzzer-no-link,$sanitizer -fno-sanitize-recover=all" \
        LDFLAGS="-fsanitize=$sanitizer"
}
flags_tsan() {
    configure tsan --enable-werror --without-cuda --without-cusim \
        --without-slurm --without-localnet CC=clang \
        LDFLAGS=-fsanitize=thread \
        CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=thread"
}
# Whether it is there, and has the kernels for GPUs where they are asked for.
will_do() { # BUILD
    [ $fresh = no ] && [ -f "build/$1/config.status" ] || return 1
    case " $parts $tests " in
    *' sim '* | *scenarios* | *' slurm '* | *+slurm* | *slurm+* | *cuda* | \
        *gpu* | *032[4-9]* | *0213-[es]*) ;;
    *) return 0 ;;
    esac
    ! grep -q without-cusim "build/$1/config.status" || [ "$1" != gcc ]
}
do_build() { # BUILD: configured unless it is there and will do
    will_do "$1" || ("flags_$1")
    make -C "build/$1" -j"$jobs"
}
# Once in a call of this script.  Leaves $status.
built=
broken=
fuzzed=
build() { # BUILD WHAT
    status=0
    case $built in *" $1 "*) return ;; esac
    status=1
    case $broken in *" $1 "*) return ;; esac
    check "build-$1" "$2" do_build "$1"
    if [ $status = 0 ]; then built="$built $1 "; else broken="$broken $1 "; fi
}
build_gcc() { build gcc "gcc -O3, warnings are errors"; }

# Does the sanitizer's runtime work here, and its leak check?
sanitizer='address,undefined'
do_probe() { # SANITIZER [WRAPPER...]
    mkdir -p build/probe
    cd build/probe
    echo 'int main(void) { return 0; }' >p.c
    clang -fsanitize="$1" p.c -o p
    shift
    ASAN_OPTIONS=detect_leaks=$leaks "$@" ./p
}
leaks=1
# Build it, unless clang is missing or cannot.  Leaves $status.
build_san() {
    status=1
    case $built in *" san "*) status=0; return ;; esac
    command -v clang >/dev/null || { skip "san" "no clang"; return; }
    run probe do_probe $sanitizer
    if [ $status != 0 ]; then
        leaks=0
        run probe do_probe $sanitizer
        [ $status != 0 ] || skip "leak check" \
            "the leak sanitizer cannot run here (no ptrace?)"
    fi
    if [ $status != 0 ]; then
        skip san "clang has no sanitizer runtime that works here"
        return
    fi
    build san "clang with address and undefined sanitizers"
}
# How programs with the thread sanitizer are run: some kernels put memory where
# it cannot be.
wrapper=
build_tsan() {
    status=1
    command -v clang >/dev/null || { skip tsan "no clang"; return; }
    run probe do_probe thread
    if [ $status != 0 ]; then
        wrapper="setarch -R"
        run probe do_probe thread setarch -R
    fi
    if [ $status != 0 ]; then
        skip tsan "the thread sanitizer cannot run here"
        return
    fi
    build tsan "clang with the thread sanitizer"
}
