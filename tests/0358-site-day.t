#!/bin/sh
# A day at a site with a real Slurm: two users with a spool each, three batches,
# cron with apus drain all the time.  Nodes are drained and return, a job is
# requeued, one is held, one comes to its time limit, one is cancelled by an
# administrator again and again, the controller is away for a minute, and a new
# build is installed in the middle.  In the end all is answered and
# verifies, cron has sent two mails, and status was right at each step.
# No step depends on how fast this machine is: a worker is stopped after its
# first answers as long as its batch has a gate.
# part: all
set -eu
NODES=2
export NODES
. "${top_srcdir:-.}/tests/slurm.sh"
. "$top/tests/slow.sh"
for p in setpriv awk; do
    command -v $p >/dev/null || { clean; skip_all "no $p"; }
done
chmod 755 "$tmp"
unset APUS_LIBEXEC
APUS_LAUNCHER=auto

# ---- the site ----------------------------------------------------------------
# Programs in a directory of their own, with a worker that minds the gates, and
# squeue, which tells of some jobs that their time is nearly over.
mkdir -p site/bin site/real gate soon
install_build() { # as make install does: a new file in place of the old one
    for p in apus apus-worker apus-part-index apus-slurm; do
        [ -x "$build/$p" ] || continue
        sed "s/$1/$2/g" "$build/$p" >site/bin/new
        chmod 755 site/bin/new
        case $p in
        apus-worker) mv site/bin/new site/real/$p ;;
        *) mv site/bin/new site/bin/$p ;;
        esac
    done
    cp "$top/jobs/apus-batch.sh" site/bin/new
    chmod 755 site/bin/new
    mv site/bin/new site/bin/apus-batch.sh
}
commit=$("$apus" --version | sed -n 's/.*(\([^)]*\)).*/\1/p')
# its last characters stay: a linker may have put the end of another string,
# such as "a", there
end=${commit#"${commit%????}"}
other=$(printf '%s' "${commit%????}" | tr '0-9a-f' '1-9a-f0')$end
install_build "$commit" "$commit"
ln -s ../bin/apus-part-index site/real/apus-part-index
cat >site/bin/apus-worker <<TXT
#!/bin/sh
real=$tmp/site/real/apus-worker
for id in "\$@"; do :; done
limit=
case " \$* " in
*' --plan '* | *' --outcome '*) exec \$real "\$@" ;;
*' --time-left=0:11 '*) limit=1 ;;
*) [ -e "$tmp/gate/\$id" ] || exec \$real "\$@" ;;
esac
start=\$(printf 'a%03d' \$(ls -d $tmp/?/spool/*/b"\$id"/a* 2>/dev/null | wc -l))
told=
trap 'told=1' HUP INT TERM USR1 USR2
\$real "\$@" &
pid=\$!
waits() { [ -z "\$told" ] && kill -0 \$pid 2>/dev/null; }
answered() {
    find $tmp/?/spool/running/b"\$id"/\$start -name '*.log' -size +3k |
        grep -q .
}
while waits && ! answered 2>/dev/null; do sleep 0.05; done
! waits || kill -STOP \$pid
if [ "\$limit" ]; then
    sleep 2 # a second of work is before the limit
else
    while waits && [ -e "$tmp/gate/\$id" ]; do sleep 0.2; done
fi
kill -CONT \$pid 2>/dev/null
rc=0
wait \$pid || rc=\$?
while kill -0 \$pid 2>/dev/null; do
    rc=0
    wait \$pid || rc=\$?
done
exit \$rc
TXT
chmod 755 site/bin/apus-worker
squeue=$(command -v squeue)
cat >site/bin/squeue <<TXT
#!/bin/sh
case " \$* " in *" %L "*) job= ;; *) exec $squeue "\$@" ;; esac
while [ \$# -gt 0 ]; do
    [ "\$1" != -j ] || job=\$2
    shift
done
if rm "$tmp/soon/\$job" 2>/dev/null; then
    echo 0:11
else
    exec $squeue -h -j "\$job" -o %L
fi
TXT
chmod 755 site/bin/squeue
chmod 777 soon
site=$tmp/site/bin
PATH=$site:$(echo "$PATH" | sed "s|$top/jobs:$build:||")
cp -r models store
chmod -R a+rX store
mkdir A B
chown 65534:65534 B
# Who is A is root, B is nobody.
as() { # USER COMMAND...
    user=$1
    shift
    if [ "$user" = A ]; then
        env HOME="$tmp/A" APUS_SPOOL="$tmp/A/spool" APUS_MODELS="$tmp/store" \
            "$@"
    else
        setpriv --reuid=65534 --regid=65534 --clear-groups env \
            HOME="$tmp/B" TMPDIR=/tmp APUS_SPOOL="$tmp/B/spool" \
            APUS_MODELS="$tmp/store" "$@"
    fi
}
# A minute of cron: a mail is what a round says.
mails=0
APUS_SBATCH=
export APUS_SBATCH
cron() {
    for user in A B; do
        as $user apus drain --log-level warning >mail 2>&1 || :
        [ -s mail ] || continue
        mails=$((mails + 1))
        mv mail "mail.$mails"
        echo "# mail $mails to $user: $(cat "mail.$mails")"
    done
}
row() { # USER BATCH COLUMN
    as "$1" apus status "$2" 2>>status.err | cut -f "$3"
}
says() { # USER BATCH PATTERN: its state and who has it
    row "$1" "$2" 2,5 | grep -q -e "$3"
}
is() { # NAME USER BATCH PATTERN
    comes says "$2" "$3" "$4" && r=0 || r=1
    as "$2" apus status >out 2>err || :
    $squeue >>out 2>&1 || :
    report $r "$1"
}
tab=$(printf '\t')

# ---- the morning -------------------------------------------------------------
long_questions 80 one >one.jsonl
questions 20 two >two.jsonl
long_questions 120 three >three.jsonl
chmod 644 ./*.jsonl
as A apus submit one.jsonl -m nano --todo >out 2>err
one=$(cut -f 1 out)
: >"gate/$one"
as A apus submit "$one" --ranks 1 --batch 8 >out 2>err && r=0 || r=1
report $r "A submits"
job_one=$(cut -f 3 out)
as B apus submit "$tmp/three.jsonl" -m nano --ranks 1 --batch 8 \
    --sbatch --hold >out 2>err && r=0 || r=1
report $r "B submits"
three=$(cut -f 1 out)
job_three=$(cut -f 3 out)
is "A's job runs" A "$one" "^running${tab}Slurm job $job_one on "
is "B's job is held" B "$three" "^todo${tab}Slurm job $job_three held"
: >"gate/$three"
: >"soon/$job_three"
chmod 777 soon/*
scontrol release "$job_three" 2>>err
is "released, it runs" B "$three" "^running${tab}Slurm job $job_three on "
as A apus submit two.jsonl -m nano --todo >out 2>err && r=0 || r=1
report $r "A leaves another batch to cron"
two=$(cut -f 1 out)

# ---- the controller is away for a minute -------------------------------------
APUS_SLURM_TIMEOUT=2
export APUS_SLURM_TIMEOUT
kill -STOP "$(cat slurm/run/slurmctld.pid)"
cron
kill -CONT "$(cat slurm/run/slurmctld.pid)"
unset APUS_SLURM_TIMEOUT
cp mail.1 out 2>/dev/null || :
[ $mails -eq 1 ] && r=0 || r=1
report $r "while the controller is away cron says so to A, who needs it"
has out 'slurm: ' "and who does not answer"
says A "$two" '^todo' && r=0 || r=1
report $r "A's batch waits"
APUS_SBATCH=--hold
cron
APUS_SBATCH=
is "cron has made a job of it" A "$two" "${tab}Slurm job "
cron
[ "$($squeue -h | wc -l)" -eq 3 ] && r=0 || r=1
$squeue >out
report $r "there are three jobs, whatever cron does"
scontrol release "$($squeue -h -n "apus-$two" -o %A)" 2>>err

# ---- nodes are drained and return --------------------------------------------
scontrol update nodename=ALL state=drain reason=firmware 2>>err
scontrol requeue "$job_one" 2>>err
is "a job that was requeued waits" A "$one" "Slurm job $job_one .*waits ("
cron
scontrol update nodename=ALL state=resume 2>>err
is "when the nodes are back it runs" A "$one" "Slurm job $job_one on "
rm "gate/$one"

# ---- the time limit ----------------------------------------------------------
restarted() { [ "$(field "$job_three" Restarts)" -ge 1 ]; }
comes restarted && r=0 || r=1
cp "B/spool/log/$three.log" out
report $r "B's job comes to its time limit, and is requeued"
has out 'the time limit is near' "it has saved before"
cron
is "and goes on" B "$three" "Slurm job $job_three on "
# a start without an answer would be one of those that get nowhere
has_answered() {
    [ -n "$(find B/spool/running/*/a00[1-9] -name '*.log' -size +3k)" ]
}
comes has_answered && r=0 || r=1
find B/spool >out
report $r "some of it is answered"

# ---- an upgrade --------------------------------------------------------------
install_build "$commit" "$other"
"$site/apus" --version >out
has out "$other" "another build is installed"
cron
scancel "$job_three"
is "cancelled by an administrator it is in todo" B "$three" '^todo'
# and so it goes each time that cron has made a job of it
scontrol update nodename=ALL state=drain reason=network 2>>err
for i in 1 2 3 4; do
    cron
    is "job $i waits for a node" B "$three" "^todo${tab}Slurm job .*waits ("
    scancel "$($squeue -h -n "apus-$three" -o %A)"
    no_job() { [ -z "$($squeue -h -n "apus-$three" -o %A)" ]; }
    comes no_job || :
done
cron
[ $mails -eq 2 ] && r=0 || r=1
cat mail.* >out 2>/dev/null || :
report $r "cron gives it up, and says so once to B"
grep "$three" mail.2 >out 2>&1 || :
has out 'in a row.*name the batch again' "why, and what to do"
is "status says why too" B "$three" "^failed${tab}.*in a row"
cron
scontrol update nodename=ALL state=resume 2>>err
as B apus submit "$three" >out 2>err && r=0 || r=1
report $r "B submits it again"
is "and it goes on" B "$three" "${tab}Slurm job "
rm "gate/$three"

# ---- the evening -------------------------------------------------------------
all_done() {
    sleep 1
    cron
    [ "$(row A "$one" 2)$(row A "$two" 2)$(row B "$three" 2)" = donedonedone ]
}
comes all_done && r=0 || r=1
{ as A apus status; as B apus status; $squeue; } >out 2>&1 || :
report $r "all three batches are done"
for b in "A $one" "A $two" "B $three"; do
    set -- $b
    as "$1" apus verify "$2" >out 2>err && r=0 || r=1
    report $r "$1: every answer verifies"
    [ ! -s "$1/spool/done/b$2/refused.jsonl" ] && r=0 || r=1
    report $r "$1: nothing was given up"
done
grep -h '"commit"' A/spool/done/*/run.jsonl B/spool/done/*/run.jsonl >out
grep -q "$commit" out && grep -q "$other" out && r=0 || r=1
report $r "both builds have worked"
cat mail.* >out 2>/dev/null || :
[ $mails -eq 2 ] && r=0 || r=1
report $r "cron has sent $mails mails"
finish
