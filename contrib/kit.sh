#!/bin/sh
# Build the engine alone with nothing but a C compiler: no configure, no
# library, no tokenizer; digests by src/proof/sha256.c.  What comes out is
#   x1vectors   the vectors of X1: whether this machine computes the same bits
#   engine      bench/engine: how fast
#   check       kernels/check: each operation by itself
# For porting, and for machines without the packages that README lists.
#
#   contrib/kit.sh [CC=gcc] [CFLAGS=-O2] [LDFLAGS=] [OUT=build/kit]
#       [PROGRAMS="x1vectors engine check"]
#   build/kit/x1vectors vectors/x1
set -eu
cd "$(dirname "$0")/.."

CC=${CC:-cc}
CFLAGS=${CFLAGS:--O2}
LDFLAGS=${LDFLAGS:-}
OUT=${OUT:-build/kit}
PROGRAMS=${PROGRAMS:-x1vectors engine check}
for setting in "$@"; do
    case $setting in
    CC=*) CC=${setting#CC=} ;;
    CFLAGS=*) CFLAGS=${setting#CFLAGS=} ;;
    LDFLAGS=*) LDFLAGS=${setting#LDFLAGS=} ;;
    OUT=*) OUT=${setting#OUT=} ;;
    PROGRAMS=*) PROGRAMS=${setting#PROGRAMS=} ;;
    *)
        echo "usage: contrib/kit.sh [CC=COMPILER] [CFLAGS=FLAGS]" \
            "[LDFLAGS=FLAGS] [OUT=DIR] [PROGRAMS=NAMES]" >&2
        exit 2
        ;;
    esac
done

mkdir -p "$OUT"
cat >"$OUT/config.h" <<'TXT'
#define _GNU_SOURCE 1
#define PACKAGE_VERSION "kit"
TXT

base='base64 buf caller clock err file id json json_parse json_python
    json_salvage json_text machine mem plain plain_text room sys utf8
    utf8_read vec'
proof='blob digest_hex digest_pair digest_plain job_record merkle model_record
    result_record sha256 trace'
model='convert model model_layout model_stream ordered rotate rotated shape
    smooth
    import/ends import/fold import/foreign import/formats import/gguf
    import/gguf_blocks import/gguf_config
    import/gguf_header import/gguf_model import/gguf_texts import/hf
    import/hf_config import/hf_layers import/hf_part import/hf_rope
    import/hf_template import/hf_tensors import/hf_values import/import
    import/llama2c import/llama2c_texts import/safetensors'
engine='blocks engine prefix sampler sequence step'
cpu='attend cpu forward forward_new forward_part kv logits model_part pool
    shared weights'
group='agree follow joined orders'

sources='src/text/tokens.c src/backend/backends.c src/backend/cuda/none.c
    src/answer/commit.c tests/kit_text.c'
for f in kernels/*.c kernels/*/*.c; do
    case $f in
    kernels/check*) ;;
    *) sources="$sources $f" ;;
    esac
done
for f in $base; do sources="$sources src/base/$f.c"; done
for f in $proof; do sources="$sources src/proof/$f.c"; done
for f in $model; do sources="$sources src/model/$f.c"; done
for f in $engine; do sources="$sources src/engine/$f.c"; done
for f in $cpu; do sources="$sources src/backend/cpu/$f.c"; done
for f in $group; do sources="$sources src/backend/group/$f.c"; done

# The flags that exact arithmetic needs are not the caller's to leave out.
compile() { # OUTPUT SOURCES...
    to=$1
    shift
    # shellcheck disable=SC2086
    $CC $CFLAGS -std=c11 -ffp-contract=off -I"$OUT" -I. -Isrc "$@" -o "$to" \
        -lm -lpthread $LDFLAGS
}
# In one call, since emcc begins slowly.  No two sources have the same name.
rm -rf "$OUT/o"
mkdir "$OUT/o"
all=
for source in $sources; do all="$all top/$source"; done
ln -s "$PWD" "$OUT/o/top"
# shellcheck disable=SC2086
(cd "$OUT/o" && $CC $CFLAGS -std=c11 -ffp-contract=off -I.. -Itop -Itop/src \
    -c $all)
objects=$(echo "$OUT"/o/*.o)
for program in $PROGRAMS; do
    case $program in
    x1vectors) source='tests/x1vectors.c tests/vectors_ops.c
        tests/vectors_runs.c' ;;
    engine) source='bench/engine.c bench/guard.c' ;;
    check) source='kernels/check.c kernels/check_plain.c' ;;
    *) echo "kit.sh: no program \"$program\"" >&2; exit 2 ;;
    esac
    # shellcheck disable=SC2086
    compile "$OUT/$program" $source $objects
done
echo "$OUT: $PROGRAMS"
