#!/bin/sh
# The program by itself: help, version, where settings come from, and the
# exit status of a wrong command line.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"

is_empty() { # FILE NAME
    [ ! -s "$1" ] && r=0 || r=1
    report $r "$2"
}
one_line() { # NAME
    [ "$(wc -l <err)" -eq 1 ] && [ ! -s out ] && r=0 || r=1
    report $r "$1: one message, nothing on standard output"
}

gives 0 "--help" --help
has out '^  run ' "help has run"
has out '^  model ' "help has model"
has out '^  settings ' "help has settings"
is_empty err "help is not an error"
gives 0 "-h" -h
gives 2 "nothing"
has err '^usage: apus' "nothing gives the usage"
is_empty out "on standard error"
gives 0 "--version" --version
has out '^apus [0-9.]* ([0-9a-z-]*)$' "version and commit"
has out '^arithmetic: X1 version 1$' "version of X1"
has out '^kernels:.* reference' "kernels"
has out '^libraries: OpenSSL .*, libcurl [0-9]' \
    "libraries"
if [ -w /dev/full ]; then
    got=0
    "$apus" --version >/dev/full 2>err || got=$?
    : >out
    [ "$got" -eq 1 ] && r=0 || r=1
    report $r "a full disk is a failure"
fi

for c in run model clean settings; do
    gives 0 "$c --help" "$c" --help
    has out "^usage: apus $c" "$c --help has its usage"
done

"$apus" run --help >help
gives 0 "help run" help run
cmp -s out help && r=0 || r=1
report $r "is run --help"
"$apus" model add --help >help
gives 0 "help model add" help model add
cmp -s out help && r=0 || r=1
report $r "is model add --help"
"$apus" --help >help
gives 0 "help" help
cmp -s out help && r=0 || r=1
report $r "is --help"
gives 0 "help help" help help
has out '^usage: apus help' "help has its usage"
gives 2 "help of an unknown command" help rnu
has err 'is "run" meant' "which names the one that is meant"
gives 2 "help of a command that run does not have" help run x
has err 'unexpected argument "x"' "which names it"
gives 2 "help of a command that model does not have" help model lst
has err 'is "model list" meant' "which names the one that is meant"

# ---- completion ---------------------------------------------------------
completes() { # NAME WANTED WORD...: the last word is being typed
    name=$1
    want=$2
    shift 2
    PATH="$(dirname "$apus"):$PATH" bash -c '. "$0"
        COMP_WORDS=(apus "$@") COMP_CWORD=$#
        _apus
        printf "%s\n" "${COMPREPLY[@]}"' "$top/contrib/completion/apus" \
        "$@" >out 2>err
    has out "^$want\$" "$name is completed"
}
if command -v bash >/dev/null; then
    completes "a command" status sta
    completes "a command of model" publish model pub
    completes "a command of wallet" show wallet sh
    # a program of its own, which is not in every build
    [ ! -x "$(dirname "$apus")/apus-localnet" ] ||
        completes "a command of localnet" spawn localnet sp
    completes "an option" --no-reuse run --no-r
    completes "an option of a command of model" --smooth model add x --sm
else
    n=$((n + 1))
    echo "ok $n - completion # SKIP no bash"
fi

# ---- misuse -------------------------------------------------------------
gives 2 "an unknown command" frobnicate
one_line "an unknown command"
has err 'frobnicate" (see apus --help)$' "which names nothing like it"
gives 2 "a command with a slip" statsu
has err '"statsu": is "status" meant' "which names the one that is meant"
gives 2 "a command of a command with a slip" model lst
has err '"model lst": is "model list" meant' "with both words"
gives 2 "an unknown option" run --frobnicate x.jsonl
one_line "an unknown option"
gives 2 "an option with a slip" run x.jsonl --ouptut y
has err '"--ouptut": is --output meant' "which names the one that is meant"
gives 2 "a setting with a slip" run x.jsonl --kv-memroy=1G
has err 'is --kv-memory meant' "and so does a setting as an option"
gives 2 "run without a file" run
gives 2 "run with two files" run a.jsonl b.jsonl -m x
gives 2 "settings with an argument" settings x
gives 2 "an option without its argument" run x.jsonl -m
gives 2 "an invalid count" settings --batch many
for s in batch=0 batch=65537 part-size=1K rank-timeout=1 ranks=65537 \
    http-connect-timeout=0 http-stall-timeout=86401 http-timeout=2592001 \
    http-retries=5000000000 ao-timeout=4294967296 \
    lease=599 lease=86401 pull-max=101 pull-total=0; do
    gives 2 "$s is out of range" settings --$s
    has err "${s%=*} = \"${s#*=}\": .*, [a0-9].* expected" "which tells it"
done
for s in max-winc max-winc-day; do
    gives 2 "$s is not a number" push --$s 1AR
    has err "$s = \"1AR\": a whole number" "says so before all else"
done
gives 2 "an invalid kernel" settings --kernel abacus
gives 2 "an invalid umask" settings --umask 8
gives 2 "a umask that is too large" settings --umask 1777
echo '{}' >x.jsonl
gives 2 "run without a model" run x.jsonl
has err 'no model' "run without a model says so"
gives 2 "run with no sequences" run x.jsonl -m x --batch 0

gives 2 "show without an argument" show
gives 2 "show of a request that is not an id" show b --request x
gives 2 "a request of no text" request ""
gives 2 "a name of a model that no queue takes" queue model x --source \
    "$(printf %043d 0)" --name "$(printf %043d 0)"
has err '1 to 42 of A-Z' "the longest one is reported"

# ---- settings -----------------------------------------------------------
gives 0 "settings" settings
has out "^batch = 16.# default:" "the default"
has out "^models = $tmp/.local/share/apus/models.# default:" \
    "the home directory in a default"
unset APUS_CONFIG
mkdir -p .config/apus
printf '# mine\nbatch = 5\nkv-memory = 2G\n' >.config/apus/apus.conf
gives 0 "settings of a file" settings
has out "^batch = 5.# file $tmp/.config/apus/apus.conf:2:" "the file's line"
has out "^kv-memory = 2G.# file" "a size"
APUS_BATCH=6
export APUS_BATCH
gives 0 "settings of the environment" settings
has out '^batch = 6.# environment APUS_BATCH:' "the environment is stronger"
gives 0 "settings of a flag" settings --batch 7
has out '^batch = 7.# flag --batch:' "a flag is the strongest"
gives 0 "a flag with =" settings --batch=8
has out '^batch = 8.# flag --batch:' "a flag with = does the same"
unset APUS_BATCH
APUS_CONFIG=$tmp/mine.conf
export APUS_CONFIG
echo 'batch = 9' >mine.conf
gives 0 "settings of the file in APUS_CONFIG" settings
has out '^batch = 9.# file .*mine.conf:1:' "it stands for the other"
has out '^kv-memory = 0.# default:' "which is not read"
echo 'frobnicate = 1' >mine.conf
gives 2 "an unknown name in the file" settings
has err 'mine.conf:1' "it is reported with file and line"
printf 'batch = 3\nranks = 1\nbatch = 4\n' >mine.conf
gives 2 "a name twice in the file" settings
has err 'mine.conf:3: "batch" is there a second time (file .*:1)' "says where"
printf '\357\273\277batch = 3\n' >mine.conf
gives 0 "a file that begins with a BOM" settings
has out '^batch = 3.# file' "is read"
echo 'bacth = 1' >mine.conf
gives 2 "a name with a slip in the file" settings
has err 'mine.conf:1: .*is "batch" meant' "which names the one that is meant"
: >mine.conf
gives 0 "settings into a file" settings --batch 7 --sbatch ' -p "big one" '
cp out mine.conf
gives 0 "is read back" settings
has out '^batch = 7.# file .*mine.conf:' "with its values"
has out '^sbatch = -p "big one".# file ' "without the blanks around one"
: >mine.conf
gives 0 "settings --conf" settings --conf --batch 7
has out '^batch = 7$' "has what was set"
has out '^#kv-memory = 0$' "the rest as a comment"
"$apus" settings --batch 7 | sed 's/.# .*//' >want
cp out mine.conf
"$apus" settings | sed 's/.# .*//' >out
cmp -s want out && r=0 || r=1
report $r "and is read back"
echo 'batch = x' >mine.conf
gives 2 "a wrong value in the file" settings
APUS_CONFIG=/dev/null gives 0 "no file of settings" settings
has out '^batch = 16.# default:' "none is read"
APUS_CONFIG=$tmp/none.conf
gives 2 "a file of settings that is missing" settings
: >mine.conf
APUS_CONFIG=$tmp/mine.conf
APUS_BATCH=x
export APUS_BATCH
gives 2 "a wrong value in the environment" settings
has err 'APUS_BATCH' "it is reported by its name"

finish
