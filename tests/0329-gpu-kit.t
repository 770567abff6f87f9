#!/bin/sh
# bench/gpu-kit on the emulated device: its parts and its table, in the shapes
# of a test; a part that fails, one that takes too long, what is asked wrongly.
# part: all
set -eu
build=$(cd "${top_builddir:-.}" && pwd)
if [ ! -x "$build/tests/gpu-sim" ]; then
    echo "1..0 # SKIP built without cusim"
    exit 0
fi
. "${top_srcdir:-.}/tests/scenario.sh"

GPU_KIT_TINY=1
APUS_CUDA_LIBS=/nowhere
OUT=$tmp/table.d
export GPU_KIT_TINY APUS_CUDA_LIBS OUT
t=$build/tests
sh "$top/contrib/gpu-kit.sh" kit "$t/gpu-sim" "$t/engine-sim" \
    "$t/x1vectors-sim" "$t/t_cuda_backend" "$t/t_cuda_members" "$apus" \
    "$t/worker-sim" "$build/apus-part-index" >out 2>err && r=0 || r=1
report $r "a kit: $(cat out)"
# A device that is soon full; few vectors, no groups, which are tried by
# themselves, and a backend that is found to be wrong.
CUSIM_MEM=536870912
export CUSIM_MEM
mkdir some
mv kit/vectors/edges.json kit/vectors/rotate.json some/
rm kit/vectors/*.json
mv some/*.json kit/vectors/
printf '#!/bin/sh\necho wrong\nexit 3\n' >kit/bin/backend
printf '#!/bin/sh\necho ok 1\n' >kit/bin/groups

got=0
kit/run 40000 >out 2>err || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "a part that compares bits and fails: exit status $got"
tab=$(printf '\t')
for part in device vectors vectors-large groups kill memory linear last large \
    forms epilogue attention rest decode-1 decode-1-plain decode-64 \
    decode-64-plain decode-256 decode-256-a8r decode-256-2048 \
    prefill-2048 job-1000-1000 job-128-2048; do
    grep -q "^$part: ok" out &&
        grep -q "^$part${tab}ok$tab[0-9]" "$OUT/table" && r=0 || r=1
    [ $r -eq 0 ] || {
        grep "^$part: " out || :
        tail -n 5 "$OUT/$part.log"
    } >err
    report $r "part $part"
done
has "$OUT/table" "^backend${tab}failed 3$tab" "the part that failed"
has "$OUT/table" "^device${tab}device copy$tab[0-9].*${tab}GB/s" "copied bytes"
has "$OUT/table" "^linear${tab}linear qkv-1-a14$tab[0-9].*${tab}GB/s" "a linear"
has "$OUT/table" "^last${tab}last o-3-apart$tab[0-9].*${tab}us" "a launch"
has "$OUT/table" "^large${tab}library down-64-a14$tab" "one by the library"
has "$OUT/table" "^large${tab}kernel gate-up-64-a14$tab" "one by our kernel"
has "$OUT/table" "^forms${tab}form o-64-wide$tab" "a form of it"
has "$OUT/table" "^epilogue${tab}epilogue gate-up-64$tab" "an epilogue"
has "$OUT/kill.log" "^killed: after [1-9].*the part is the same" \
    "a worker that is killed"
has "$OUT/memory.log" "^memory refused: .*the GPU" "memory that is not there"
for of in "linear${tab}linear qkv-1-a14" "decode-1${tab}decode_tok_s" \
    "decode-64${tab}commit_share"; do
    has "$OUT/predictions" "^$of$tab.*$tab[-0-9.]*$tab[a-z]" \
        "what was foretold of $of"
done
has "$OUT/table" "^attention${tab}attention 3-64$tab" "attention"
has "$OUT/table" "^rest${tab}commit positions$tab" "hashes"
has "$OUT/table" "^decode-1${tab}decode_tok_s$tab[0-9]" "tokens a second"
has "$OUT/table" "^decode-64${tab}commit_share$tab" "what commitments cost"
for of in "decode-1 yes" "decode-1-plain no" "decode-64-plain no"; do
    has "$OUT/${of% *}.log" "^gpu_graphs ${of#* }$" "${of% *}: graphs or none"
    has "$OUT/table" "^${of% *}${tab}decode_tok_s$tab[0-9]" "what that gives"
done

printf '#!/bin/sh\nexec sleep 600\n' >kit/bin/backend
got=0
kit/run 1 backend >out 2>err || got=$?
[ $got -eq 1 ] && grep -q "^backend: cut" out && [ "$(wc -l <out)" -eq 1 ] &&
    r=0 || r=1
report $r "a part that does not end is cut: exit status $got"
# Where a library of apus or of its worker is missing, one part is not tried.
for program in apus worker; do
    mv "kit/bin/$program" kit/bin/whole
    printf '#!/bin/sh\necho "libhdf5.so: cannot open" >&2\nexit 127\n' \
        >"kit/bin/$program"
    chmod +x "kit/bin/$program"
    got=0
    kit/run 60 kill >out 2>err || got=$?
    [ $got -eq 0 ] && [ "$(wc -l <out)" -eq 1 ] && r=0 || r=1
    report $r "$program does not start: exit status $got"
    has out "^kill: skipped,.*bin/$program does not start here: libhdf5" \
        "which is said"
    has "$OUT/table" "^kill${tab}skipped$tab" "and no failure"
    mv kit/bin/whole "kit/bin/$program"
done
tiny="--shape tiny --generate 2 --rounds 1"
for gemm in own lt; do
    got=0
    # shellcheck disable=SC2086
    kit/bin/engine $tiny --batch 2 --prompt 40 --rows 80 --kernel cuda \
        --gemm $gemm >out 2>err || got=$?
    [ $got -eq 0 ] && grep -q "^gemm $gemm$" out && r=0 || r=1
    report $r "bench/engine --gemm $gemm: exit status $got"
done
got=0
# shellcheck disable=SC2086
CUSIM_BLAS=0 kit/bin/engine $tiny --kernel cuda --gemm lt >out 2>err || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "--gemm lt without the library: $(cat err)"
got=0
# shellcheck disable=SC2086
kit/bin/engine $tiny --gemm own >out 2>err || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "--gemm without a GPU: $(cat err)"
for graphs in yes no; do
    # shellcheck disable=SC2086
    CUSIM_GRAPHS=0 kit/bin/engine $tiny --kernel cuda --gpu-graphs $graphs \
        >out 2>err || :
    [ "$(grep -c 'makes no graph' err)" -eq "$(echo $graphs |
        grep -c yes)" ] && r=0 || r=1
    report $r "bench/engine --gpu-graphs $graphs on a GPU that makes none"
done
got=0
# shellcheck disable=SC2086
kit/bin/engine $tiny --gpu-graphs no >out 2>err || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "--gpu-graphs without a GPU: $(cat err)"
for wrong in nought 0 "10 nosuch"; do
    got=0
    # shellcheck disable=SC2086
    kit/run $wrong >out 2>err || got=$?
    [ $got -eq 2 ] && [ -s err ] && r=0 || r=1
    report $r "run $wrong: exit status $got"
done
finish
