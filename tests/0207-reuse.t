#!/bin/sh
# Lines that were answered before: their answers are taken over, the same
# bytes as when they are computed, and whatever is damaged, missing or not
# wanted is computed.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS

"$apus" model add "$top/models/nano" nano >out 2>err
line() { # NUMBER [MORE]
    printf '{"custom_id":"c%s","method":"POST","url":"/v1/completions",' "$1"
    printf '"body":{"prompt":"%s + 4 =","max_tokens":12,' "$1"
    printf '"temperature":2%s}}\n' "${2:-}"
}
i=0
while [ $i -lt 19 ]; do
    i=$((i + 1))
    line $i
done >twenty.jsonl
line 20 ',"n":3' >>twenty.jsonl
{
    line new
    cat twenty.jsonl
} >more.jsonl
gives 0 "20 lines and one more, all of them computed" run more.jsonl -m nano \
    -o want.jsonl --spool apart
cp apart/done/b*/part-0000.h5 want.h5
batch=$(basename apart/done/b* | sed 's/^b//')
gives 0 "20 lines" run twenty.jsonl -m nano -o twenty.out
! grep -q 'answered before' err && r=0 || r=1
report $r "none of them was answered before"
cp -rp spool before

# Run the 21 lines; so many were answered before.
again() { # COUNT NAME OPTION...
    count=$1
    name=$2
    shift 2
    gives 0 "$name" run more.jsonl -m nano -o got.jsonl "$@"
    cmp -s want.jsonl got.jsonl && r=0 || r=1
    report $r "$name: the same answers"
    if [ "$count" -eq 0 ]; then
        ! grep -q 'answered before' err && r=0 || r=1
        report $r "$name: all are computed"
    else
        has err ": $count of 21 lines answered before$" \
            "$name: $count were there"
    fi
}
# .. and seal the same part.
same_part() { # NAME
    cmp "spool/done/b$batch/part-0000.h5" want.h5 >out 2>&1 && r=0 || r=1
    report $r "$1: the same part"
}
fresh() {
    rm -rf spool
    cp -rp before spool
}
old=$(basename spool/done/b*)

again 20 "a line more"
same_part "a line more"
gives 0 "verify it, and compute it again" verify --recompute all -- "$batch"
gives 0 "verify the answers" verify got.jsonl --requests more.jsonl
gives 0 "a line less" run twenty.jsonl -m nano -o got.jsonl
has err 'already complete' "is the batch of before"

fresh
again 0 "--no-reuse" --no-reuse
same_part "--no-reuse"
fresh
again 0 "the setting" --reuse no
fresh
gives 0 "from a checkpoint" run --from "spool/done/$old/part-0000.h5" \
    -o from.jsonl
! grep -q 'lines answered before' err && r=0 || r=1
report $r "is to compute it again"

# the seed decides, not the name
fresh
for i in a b; do
    line 5 ',"seed":7' | sed "s/c5/$i/" >seed$i.jsonl
    gives 0 "a seed of its own" run seed$i.jsonl -m nano -o seed$i.out
done
has err '1 of 1 line answered' "another name: it was answered before"
! grep -q 'tok/s' err && r=0 || r=1
report $r "it has no rate: nothing was computed"
for i in a b; do
    sed 's/.*"choices"//' seed$i.out >answer$i
done
cmp answera answerb >out 2>&1 && r=0 || r=1
report $r "with the same answer"
line 5 ',"seed":7' | sed "s/12/13/" >seedc.jsonl
gives 0 "another parameter" run seedc.jsonl -m nano -o seedc.out
! grep -q 'lines answered before' err && r=0 || r=1
report $r "is another job"

# ---- where the answers are --------------------------------------------------
for state in sending sent; do
    fresh
    mv "spool/done/$old" "spool/$state/$old"
    again 20 "a batch in $state"
done
# .. of which push says what it pays for again; nobody is asked here
fresh
"$apus" wallet new --wallet w.json >out 2>err
gives 0 "the 21 lines" run more.jsonl -m nano -o got.jsonl
for state in done sent; do
    [ "$state" = done ] || mv "spool/done/$old" "spool/sent/$old"
    "$apus" push --check --wallet w.json --bundler http://127.0.0.1:1 \
        --bundler-payment http://127.0.0.1:1 \
        --gateways http://127.0.0.1:1 --http-retries 0 -- "$batch" \
        >out 2>err || :
    case $state in
    sent) has err ': 22 of 23 answers pushed before' "push says so" ;;
    *) ! grep -q 'pushed before' err && r=0 || r=1
        report $r "none of them was pushed" ;;
    esac
done
fresh
mv "spool/done/$old" "spool/failed/$old"
again 0 "a batch in failed"
fresh
rm "spool/done/$old/part-0000.jobs"
again 0 "without its jobs"
fresh
rm "spool/done/$old/part-0000.h5"
again 0 "without its part"
fresh
jobs=spool/done/$old/part-0000.jobs
for what in 's/^APUSJOBS/APUSJOBX/' '$ s/.$//'; do
    fresh
    LC_ALL=C sed "$what" "before/done/$old/part-0000.jobs" >"$jobs"
    again 0 "jobs that are damaged ($what)"
done
# two jobs change places: out of order
fresh
head -c 116 "before/done/$old/part-0000.jobs" | tail -c 36 >one
printf '\0' >zero
dd if=one of="$jobs" bs=36 seek=0 conv=notrunc 2>/dev/null
again 0 "jobs that begin with something else"
# every row is said to answer another job
fresh
dd if="before/done/$old/part-0000.jobs" of="$jobs" bs=1 skip=116 seek=80 \
    count=32 conv=notrunc 2>/dev/null
again 19 "a job that is said to be another's"
same_part "a job that is said to be another's"

# ---- what is damaged --------------------------------------------------------
place() { # DATASET
    sed -n "s|.*\"$1\".*\"offset\":\([0-9]*\),.*|\1|p" \
        "before/done/$old/part-0000.idx"
}
flip() { # OFFSET
    was=$(od -An -tu1 -j "$1" -N 1 "before/done/$old/part-0000.h5" | tr -d ' ')
    printf "\\$(printf '%03o' $(((was + 1) % 256)))" |
        dd of="spool/done/$old/part-0000.h5" bs=1 seek="$1" conv=notrunc \
            2>/dev/null
}
for set in /text/utf8 /output/token /trace/leaf /prompt/token /last/value; do
    fresh
    flip "$(place $set)"
    again 19 "a byte of $set"
    same_part "a byte of $set"
done
fresh
truncate -s 5000 "spool/done/$old/part-0000.h5"
again 0 "a part that is cut off"

# ---- settings ---------------------------------------------------------------
fresh
rm -r "spool/done/$old"
gives 0 "without the last rows" run twenty.jsonl -m nano -o twenty.out \
    --tensors none
cp -rp spool none
again 0 "they are wanted"
same_part "they are wanted"
rm -rf spool
cp -rp none spool
again 20 "they are not" --tensors none
fresh
again 20 "they are there and not wanted" --tensors none
gives 0 "verify" verify --recompute 3 -- "$batch"

fresh
rm -r "spool/done/$old"
gives 0 "without leaves" run twenty.jsonl -m nano -o twenty.out \
    --keep-trace roots --tensors none
cp -rp spool roots
again 0 "leaves are wanted" --tensors none
rm -rf spool
cp -rp roots spool
again 20 "only roots are" --keep-trace roots --tensors none
fresh
again 20 "leaves are there and not wanted" --keep-trace roots

# ---- ends in between ----------------------------------------------------
fresh
gives 0 "in a part of many batches" run seeda.jsonl -m nano -o x.out
again 20 "two batches"
if [ "$(sed -n 's/^#define HAVE_MPI //p' "$(dirname "$apus")/config.h")" ] &&
    command -v mpirun >/dev/null &&
    { [ "$(id -u)" != 0 ] || [ -n "${OMPI_ALLOW_RUN_AS_ROOT:-}" ]; }; then
    fresh
    again 20 "two ranks" --ranks 2
    same_part "two ranks"
fi
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    # each seventh call, all with APUS_LONG
    echo "# seed $seed"
    step=7
    [ -z "${APUS_LONG:-}" ] || step=1
    calls=0
    for how in APUS_CRASH APUS_ENOSPC; do
        fresh
        "$apus" submit more.jsonl -m nano --todo >out 2>err
        cp -rp spool waiting
        i=$((seed % step))
        first=1
        bad=
        # a full disk does not always end it: as often as there were calls
        while { [ $first -ne 0 ] || [ $i -lt $calls ]; } && [ $i -lt 300 ]; do
            i=$((i + step))
            rm -rf spool
            cp -rp waiting spool
            first=0
            env $how=$i "$(dirname "$apus")/apus-worker" --alone -- "$batch" \
                >out 2>err || first=$?
            "$apus" run more.jsonl -m nano -o got.jsonl >out 2>err &&
                cmp -s want.jsonl got.jsonl &&
                cmp -s "spool/done/b$batch/part-0000.h5" want.h5 ||
                bad="$bad $i"
        done
        [ -z "$bad" ] && [ $i -gt 20 ] && [ $i -lt 300 ] && r=0 || r=1
        report $r "$how, up to call $i: the same part$bad"
        rm -rf waiting
        calls=$i
    done
fi

finish
