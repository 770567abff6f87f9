#!/bin/sh
# A day at a site with a real Slurm: two users with a spool each, three batches,
# cron with apus drain all the time.  Nodes are drained and return, a job is
# requeued, one is held, one comes to its time limit, one is cancelled by an
# administrator again and again, the controller is away for a minute, and a new
# build is installed in the middle.  In the end all is answered and
# verifies, cron has sent two mails, and status was right at each step.
# It takes minutes, and needs a machine on which B's batch outlasts some rounds
# of cron: it runs with APUS_SITE_DAY=1, and with APUS_LONG=1, which has a time
# limit of a minute instead of a squeue that tells of one.
set -eu
if [ -z "${APUS_SITE_DAY:-}${APUS_LONG:-}" ]; then
    echo "1..0 # SKIP neither APUS_SITE_DAY nor APUS_LONG is set"
    exit 0
fi
NODES=2
export NODES
. "${top_srcdir:-.}/tests/slurm.sh"
for p in setpriv awk; do
    command -v $p >/dev/null || { clean; skip_all "no $p"; }
done
chmod 755 "$tmp"
unset APUS_LIBEXEC
APUS_LAUNCHER=auto

# ---- the site ----------------------------------------------------------------
# Programs in a directory of their own, and squeue, which tells of some jobs
# that their time is nearly over.
mkdir -p site/bin soon
install_build() { # as make install does: a new file in place of the old one
    for p in apus apus-worker apus-part-index apus-slurm; do
        [ -x "$build/$p" ] || continue
        sed "s/$1/$2/g" "$build/$p" >site/bin/new
        chmod 755 site/bin/new
        mv site/bin/new site/bin/$p
    done
    cp "$top/jobs/apus-batch.sh" site/bin/new
    chmod 755 site/bin/new
    mv site/bin/new site/bin/apus-batch.sh
}
commit=$("$apus" --version | sed -n 's/.*(\([^)]*\)).*/\1/p')
other=$(printf '%s' "$commit" | tr '0-9a-f' '1-9a-f0')
install_build "$commit" "$commit"
squeue=$(command -v squeue)
cat >site/bin/squeue <<TXT
#!/bin/sh
case " \$* " in *" %L "*) job= ;; *) exec $squeue "\$@" ;; esac
while [ \$# -gt 0 ]; do
    [ "\$1" != -j ] || job=\$2
    shift
done
if rm "$tmp/soon/\$job" 2>/dev/null; then
    echo 0:16
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
long_questions 300 one >one.jsonl
long_questions 301 two >two.jsonl
long_questions 3000 three >three.jsonl
chmod 644 ./*.jsonl
limit=
[ -z "$long" ] || limit=--time=1
as A apus submit one.jsonl -m nano --nodes 1 >out 2>err && r=0 || r=1
report $r "A submits"
one=$(cut -f 1 out)
job_one=$(cut -f 3 out)
as B apus submit "$tmp/three.jsonl" -m nano --nodes 1 --batch 8 --sbatch \
    "--hold $limit" >out 2>err && r=0 || r=1
report $r "B submits"
three=$(cut -f 1 out)
job_three=$(cut -f 3 out)
is "A's job runs" A "$one" "^running${tab}Slurm job $job_one on "
is "B's job is held" B "$three" "^todo${tab}Slurm job $job_three held"
[ -n "$long" ] || : >"soon/$job_three"
chmod 777 soon/* 2>/dev/null || :
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
cron
is "cron has made a job of it" A "$two" "${tab}Slurm job "
cron
[ "$($squeue -h | wc -l)" -eq 3 ] && r=0 || r=1
$squeue >out
report $r "there are three jobs, whatever cron does"

# ---- nodes are drained and return --------------------------------------------
scontrol update nodename=ALL state=drain reason=firmware 2>>err
scontrol requeue "$job_one" 2>>err
is "a job that was requeued waits" A "$one" "Slurm job $job_one .*waits ("
cron
scontrol update nodename=ALL state=resume 2>>err
is "when the nodes are back it runs" A "$one" "Slurm job $job_one on "

# ---- the time limit ----------------------------------------------------------
restarted() { [ "$(field "$job_three" Restarts)" -ge 1 ]; }
comes restarted && r=0 || r=1
cp "B/spool/log/$three.log" out
report $r "B's job comes to its time limit, and is requeued"
has out 'the time limit is near' "it has saved before"
cron
is "and goes on" B "$three" "Slurm job $job_three on "

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

# ---- the evening -------------------------------------------------------------
all_done() {
    cron
    [ "$(row A "$one" 2)$(row A "$two" 2)$(row B "$three" 2)" = doneddonedone ]
}
comes_in_an_hour() {
    left=300
    until [ "$(row A "$one" 2)$(row A "$two" 2)$(row B "$three" 2)" = \
        donedonedone ] || [ $left -eq 0 ]; do
        cron
        left=$((left - 1))
        sleep 1
    done
    [ $left -gt 0 ]
}
comes_in_an_hour && r=0 || r=1
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
