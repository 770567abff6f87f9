#!/bin/sh
# Who asks makes nothing: a spool or a model store that is not there is named,
# and is not there afterwards.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER
head -n 2 "$nano/eval.jsonl" >q.jsonl
gives 0 "a batch" run q.jsonl -m "$nano" -q
batch=$(ls spool/done)
batch=$(echo "${batch#b}" | cut -c 1-8)

asks() { # ARGUMENT...
    gives 1 "$*" "$@" --spool "$tmp/typo/spool"
    has err '^apus: error: no spool at ".*/typo/spool"' "$*: says so"
    [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && [ ! -e typo ] && r=0 || r=1
    report $r "$*: in one line, and makes nothing"
}
asks status
asks status --json
asks status "$batch"
asks show "$batch"
asks export "$batch"
asks export "$batch" --partial
asks verify "$batch"
asks seal "$batch"
asks cancel "$batch"
asks clean --older 30d
asks push "$batch"
asks submit
asks submit "$batch"
mkdir empty
gives 1 "a directory that is not a spool" status --spool "$tmp/empty"
has err 'no spool at ".*/empty"' "is none"
[ -z "$(ls -A empty)" ] && r=0 || r=1
report $r "and stays empty"
gives 1 "a file" status --spool "$tmp/q.jsonl"
gives 0 "the right one" status "$batch"

# ---- a worker ----------------------------------------------------------------
for how in "-- $batch" "--outcome -- $batch" "" "--plan"; do
    # shellcheck disable=SC2086
    "$(dirname "$apus")/apus-worker" --alone --spool "$tmp/typo/spool" \
        $how >out 2>err </dev/null && r=1 || r=0
    [ "$how" = --plan ] || report $r "apus-worker $how of no spool fails"
    [ ! -e typo ] && r=0 || r=1
    report $r "apus-worker $how makes none"
    [ "$how" = --plan ] ||
        has err 'no spool at ".*/typo/spool"' "apus-worker $how says so"
done

# ---- who cannot begin --------------------------------------------------------
cannot() { # NAME, COMMAND...
    name=$1
    shift
    "$@" --spool "$tmp/typo/spool" >out 2>err || :
    [ ! -e typo ] && r=0 || r=1
    report $r "$name makes no spool"
    rm -rf typo
}
cannot "pull without a wallet" "$apus" pull --wallet "$tmp/none.json"
cannot "run with a model that is missing" "$apus" run q.jsonl -m none
cannot "submit with one" "$apus" submit q.jsonl -m none

# ---- models ------------------------------------------------------------------
gives 1 "model list of no store" model list --models "$tmp/typo/models"
has err 'no model store at ".*/typo/models"' "says so"
gives 1 "model info" model info nano --models "$tmp/typo/models"
has err 'no model store at ".*/typo/models"' "says so"
gives 1 "run" run q.jsonl -m nano -o x --models "$tmp/typo/models"
has err 'no model store at ".*/typo/models"' "says so"
[ ! -e typo ] && r=0 || r=1
report $r "none is made"
if [ "$(id -u)" -ne 0 ]; then
    chmod 0 models
    gives 1 "a store that may not be read" run q.jsonl -m nano -o x
    has err 'model store ".*/models": permission denied' "says why"
    gives 1 "model list" model list
    has err 'model store ".*/models": permission denied' "says why"
    chmod 700 models
fi
finish
