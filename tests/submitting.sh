# For scenarios that start workers on this machine in the background; sourced
# after tests/scenario.sh.  A spool and a store with nano; all.jsonl has
# requests that are this run's alone; what still works at the end is killed.
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER APUS_RANKS
trap 'pkill -9 -f "$tmp/spool" 2>/dev/null || :; scratch_end' EXIT

"$apus" model add "$top/models/nano" nano >out 2>err
# a worker of the same batch in another spool would be taken for one of ours
sed "s/\"custom_id\": *\"/&$$-/" "$top/models/nano/eval.jsonl" >all.jsonl

comes() { # COMMAND...
    left=1200
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.1
    done
}
is_done() { [ -d "$APUS_SPOOL/done/b$1" ]; }
