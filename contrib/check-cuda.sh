# What contrib/check does for the kernels for GPUs, without a GPU: the parts sim
# and cuda.  Sourced by it.

# Run the programs of the emulated device, build/gcc/tests/t_cuda_*, whatever
# is set in the environment.  Leaves their output in its log.
do_sim() { # PROGRAM...
    cd build/gcc
    make -j"$jobs" "$@"
    for program in "$@"; do
        echo "== $program"
        top_srcdir=$top "./$program" >sim.out || { cat sim.out; exit 1; }
        tail -n 1 sim.out
    done
}
sim_with() { # NAME SETTING=VALUE PROGRAM...
    name=$1
    setting=$2
    shift 2
    export "${setting?}"
    check "sim-$name" "kernels for GPUs with CUSIM_SEED=$CUSIM_SEED $setting" \
        do_sim "$@"
    unset "${setting%%=*}"
}
# Seed 0 and 227 KB of shared memory are what the tests of the build run.
part_sim() {
    build_gcc
    [ $status = 0 ] || return 0
    plain=
    checked=
    for t in $(tests_of gcc); do
        case $t in
        tests/t_cuda_*_checked) checked="$checked $t" ;;
        tests/t_cuda_*) plain="$plain $t" ;;
        esac
    done
    if [ -z "$plain" ]; then
        skip sim "no C++17 compiler (Debian: g++)"
        return 0
    fi
    CUSIM_SEED=1
    export CUSIM_SEED
    # shellcheck disable=SC2086
    sim_with checked CUSIM_SHARED=232448 $checked
    # sm_86, 89 and 120; sm_80; each in another order
    # shellcheck disable=SC2086
    sim_with 99KB CUSIM_SHARED=101376 $plain
    CUSIM_SEED=2
    # shellcheck disable=SC2086
    sim_with 163KB CUSIM_SHARED=166912 $plain
    [ -z "${APUS_LONG:-}" ] || for CUSIM_SEED in $(seq 0 20); do
        # shellcheck disable=SC2086
        sim_with "seed$CUSIM_SEED" CUSIM_SHARED=232448 $plain $checked
    done
    unset CUSIM_SEED
    [ -z "${APUS_LONG:-}" ] ||
        check mutants "mistakes planted in the kernels are found" do_mutants
}

# Mistakes planted one at a time: about 40 minutes of one core.
do_mutants() {
    make -C build/gcc tests/libcusim.a tests/libcusim_hooks.a \
        tests/libtest.a tests/t_cuda_backend.o tests/t_cuda_graphs.o \
        tests/t_cuda_members.o tests/t_cuda_engine.o
    sh tests/cuda-mutants.sh build/gcc >build/mutants.out || {
        grep -v '^plain\|^checked' build/mutants.out
        exit 1
    }
    tail -n 1 build/mutants.out
}

do_cuda() {
    top_srcdir=$top
    APUS_CUDA_ARCHS='80 90 120'
    [ -z "${APUS_LONG:-}" ] || APUS_CUDA_ARCHS='80 86 89 90 90a 100 120'
    export top_srcdir APUS_CUDA_ARCHS
    sh "$top/tests/1004-ptx.t" >build/cuda.out || {
        grep -v "^ok" build/cuda.out
        exit 1
    }
    tail -n 1 build/cuda.out
}
part_cuda() {
    if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
        check cuda "device code of several architectures: exact, no spills" \
            do_cuda
    else
        skip cuda "no nvcc"
    fi
}
