# The part `module` of contrib/check: the engine as WebAssembly, in the two
# variants that modules of AO have, and these modules.  Sourced by it.
#
#     wasm-plain   plain instructions, for compute units that meter them
#     wasm-simd    SIMD, for those that do not

# Debian's cache of emscripten is not writable, and its acorn is not where node
# looks for it.
use_emscripten() {
    EM_CACHE=$top/build/em-cache
    NODE_PATH=/usr/share/nodejs
    export EM_CACHE NODE_PATH
    [ -d "$EM_CACHE" ] || [ ! -d /usr/share/emscripten/cache ] ||
        cp -r /usr/share/emscripten/cache "$EM_CACHE"
}

# What was built stays until a source changes.
sources_sum() {
    { emcc --version | head -n 1; cat contrib/kit.sh; find kernels src tests \
        -name '*.[ch]' ! -name commit.h ! -path '*/cuda/*' |
        LC_ALL=C sort | xargs cat; } | sha256sum
}
build_wasm() { # BUILD FLAGS
    ! sources_sum | cmp -s - "build/$1/sources.sum" || return 0
    contrib/kit.sh CC=emcc OUT="build/$1" PROGRAMS='x1vectors check' \
        CFLAGS="-O2 -DAPUS_ONE_THREAD $2" LDFLAGS="-sEXIT_RUNTIME=1 \
            -sALLOW_MEMORY_GROWTH=1 -sNODERAWFS=1 -sTOTAL_STACK=8388608"
    sources_sum >"build/$1/sources.sum"
}
# emscripten's loader would fetch a file by its path
node_run() { node --no-experimental-fetch "$@"; }
flags_of() { # BUILD
    case $1 in *-simd) echo -msimd128 ;; esac
}
# Both at once: each compiles on one core.
do_build_wasm() { # BUILD...
    use_emscripten
    building=
    for b in "$@"; do
        build_wasm "$b" "$(flags_of "$b")" &
        building="$building $!"
    done
    for pid in $building; do wait "$pid"; done
}
do_wasm() { # BUILD
    node_run "build/$1/check" --cases 20
    node_run "build/$1/x1vectors" vectors/x1
}
wasm_of() { # BUILD...
    check build-wasm "the engine as WebAssembly: $*" do_build_wasm "$@"
    [ $status = 0 ] || return 0
    for b in "$@"; do
        check "$b" "the vectors of X1 as WebAssembly" do_wasm "$b"
        [ $status != 0 ] || say "$b: $(tail -n 1 "$(log_of "$b")")"
    done
}

# Those with nano inside, which can do all that the others can.
do_modules() {
    use_emscripten
    make -C build/gcc module MODULE_DIR="$top/build/module" \
        MODULES='apus-plain-nano apus-simd-nano'
}
modules_of_ao() {
    build_gcc
    [ $status = 0 ] || return 0
    check modules "modules of AO, with nano inside" do_modules
    [ $status != 0 ] || suite module gcc "modules in the loader of ao's units" \
        tests/0472-ao-module.t tests/0473-module-names.t \
        tests/0474-module-serve.t tests/0475-module-gas.t
}

part_module() {
    if ! command -v emcc >/dev/null; then
        skip module "no emcc (Debian: emscripten, which --all installs)"
    elif ! command -v node >/dev/null; then
        skip module "no node (Debian: nodejs)"
    else
        wasm_of wasm-plain wasm-simd
        modules_of_ao
    fi
}
