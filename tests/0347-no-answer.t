#!/bin/sh
# Where Slurm's programs are there and its controller gives no answer: with
# launcher = auto nothing is started on this machine, and who waits for a batch
# goes on waiting.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
unset APUS_LAUNCHER SLURM_CONF || :
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_SLURM_TIMEOUT=1
export APUS_MODELS APUS_SPOOL APUS_SLURM_TIMEOUT
"$apus" model add "$top/models/nano" nano >out 2>err
# a worker of the same batch in another spool would be taken for one of ours
sed "s/\"custom_id\": *\"/&$$-/" "$top/models/nano/eval.jsonl" |
    head -n 2 >q.jsonl
plain=$PATH
mkdir bin
starts() { find spool/*/b*/a* spool/log -type f 2>/dev/null | grep -c . || :; }
sinfo() { # a script for its body
    printf '#!/bin/sh\n%s\n' "$1" >bin/sinfo
    chmod +x bin/sinfo
    PATH=$tmp/bin:$plain
}
for how in 'exit 1' 'while :; do :; done' \
    'echo "sinfo: error: Unable to contact slurm controller" >&2; exit 1'; do
    sinfo "$how"
    gives 75 "apus submit, sinfo: $how" submit q.jsonl -m nano
    has err 'there is a Slurm here and no answer' "it says why"
    [ "$(starts)" -eq 0 ] && r=0 || r=1
    report $r "nothing was started"
done
# in todo, as by a job that has ended
"$apus" run q.jsonl -m nano -o unused --launcher local >out 2>err
mkdir other
mv spool/done/b* other/
for b in other/b*; do
    mkdir "spool/todo/$(basename "$b")"
    cp "$b/batch.json" "$b/requests.jsonl" "spool/todo/$(basename "$b")"
done
gives 75 "apus drain with something to start" drain
has err 'there is a Slurm here and no answer' "it says why"
[ "$(starts)" -eq 0 ] && r=0 || r=1
report $r "nothing was started"
gives 3 "apus doctor" doctor --offline
has out '^bad.slurm.there is a Slurm here' "it says so"
gives 0 "apus clean of what may have a job" clean --state todo
has err 'a job may wait for what is removed.*no answer' "it says so"
gives 0 "apus drain with nothing to start" drain
[ ! -s err ] && r=0 || r=1
report $r "says nothing"
rm bin/sinfo
# PATH has no sinfo at all
for p in cat sh; do
    ln -s "$(command -v $p)" "bin/$p"
done
PATH=$tmp/bin
got=0
"$apus" submit q.jsonl -m nano >out 2>err || got=$?
PATH=$plain
[ $got -eq 0 ] && r=0 || r=1
report $r "without Slurm it starts at once"
has out '.local.' "on this machine"
left=600
while [ -z "$(find spool/done -mindepth 1 -maxdepth 1)" ] && [ $left -gt 0 ]; do
    left=$((left - 1))
    sleep 0.2
done
[ $left -gt 0 ] && r=0 || r=1
report $r "and is done"

# ---- who waits ---------------------------------------------------------------
# squeue answers until a job was submitted, and counts how often it does not
APUS_LAUNCHER=slurm
APUS_LIBEXEC=$tmp/none
export APUS_LAUNCHER APUS_LIBEXEC
mkdir none
ln -s "${apus%/*}/apus-part-index" none/
PATH=$tmp/bin:$plain
cat >bin/squeue <<END
#!/bin/sh
[ -e "$tmp/silent" ] || exit 0
echo >>"$tmp/asked"
echo "slurm_load_jobs error: Unable to contact slurm controller" >&2
exit 1
END
printf '#!/bin/sh\n: >"%s"\necho 17\n' "$tmp/silent" >bin/sbatch
chmod +x bin/squeue bin/sbatch
worker=${apus%/*}/apus-worker
asked_often() { [ -e asked ] && [ "$(wc -l <asked)" -ge 6 ]; }
# It waits, whatever squeue says, until a worker has done it.
waits_through() { # BATCH NAME ARGUMENT...
    id=$1
    name=$2
    shift 2
    rm -f asked
    "$apus" "$@" >out 2>err &
    job=$!
    left=1200
    until asked_often || ! kill -0 $job 2>/dev/null || [ $left -eq 0 ]; do
        left=$((left - 1))
        sleep 0.1
    done
    asked_often && kill -0 $job 2>/dev/null && r=0 || r=1
    report $r "$name: waits while the controller is silent"
    "$worker" --alone -- "$id" >work 2>&1 || kill $job
    got=0
    wait $job || got=$?
    [ $got -eq 0 ] && r=0 || r=1
    report $r "$name: until it is done"
    [ "$(grep -c 'Unable to contact' err)" -eq 1 ] && r=0 || r=1
    report $r "$name: it is said once"
}
sed "s/custom_id\": *\"/&w-/" q.jsonl >w.jsonl
"$apus" submit w.jsonl -m nano --todo >out 2>err
batch=$(cut -f 1 out)
echo "an earlier start failed" >"spool/todo/b$batch/error"
: >silent
waits_through "$batch" "apus wait" wait "$batch"
sed "s/custom_id\": *\"/&u-/" q.jsonl >u.jsonl
gives 75 "submit to a silent controller" submit u.jsonl -m nano
has err 'slurm: .*Unable to contact' "it says why"
gives 0 "leave it in todo" submit u.jsonl -m nano --todo
batch=$(cut -f 1 out)
gives 75 "submit of all in todo" submit
gives 75 "cancel of what may have a job" cancel "$batch"
has err 'stays in todo and may have a job: slurm: .*Unable to' "it says why"
[ -d "spool/todo/b$batch" ] && r=0 || r=1
report $r "the batch is in todo"
sinfo 'exit 1'
gives 75 "with launcher = auto" cancel "$batch" --launcher auto
gives 0 "where workers run here alone" cancel "$batch" --launcher local
has out "^$batch.failed" "it is put away"
rm silent bin/sinfo
gives 0 "submit it again" submit "$batch" --todo
gives 0 "cancel once the controller answers" cancel "$batch"
sed "s/custom_id\": *\"/&v-/" q.jsonl >v.jsonl
"$apus" submit v.jsonl -m nano --todo >out 2>err
batch=$(cut -f 1 out)
waits_through "$batch" "submit --wait" submit "$batch" --wait
# an answer counts: there is no job
"$apus" submit v.jsonl -m nano --spool other2 --todo >out 2>err
rm silent
gives 75 "a batch without a job" wait v.jsonl --spool other2
has err 'nothing works on it' "is given up once there is an answer"
finish
