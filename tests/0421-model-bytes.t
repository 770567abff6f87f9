#!/bin/sh
# A model file whose bytes changed under its name: the worker hashes it again
# when anything that the file system keeps of it differs, and `apus verify
# --recompute` and `apus doctor --deep` hash it in any case.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER
"$apus" model add "$top/models/nano" nano >out 2>err
head -n 1 "$top/models/nano/eval.jsonl" >q.jsonl
head -n 2 "$top/models/nano/eval.jsonl" >r.jsonl
gives 0 "answer a file" run q.jsonl -m nano -o q.out --ranks 1
id=$(basename spool/done/b*)
model=$(echo models/*.apus)
gives 0 "all is well" doctor --offline --deep
has out '^ok.models.*every byte hashed' "the doctor hashed it"

# who shares a store can often read it alone
name=$(basename "$model" .apus)
"$apus" model add "$top/models/nano" nano --models shared --umask 022 >out 2>err
stat -c "$name %d %i %s %.9Y %.9Z" "shared/$name.apus" >want
cmp -s want shared/checked && r=0 || r=1
report $r "a model that is added is remembered as checked"
[ "$(stat -c %a shared "shared/$name.apus" | tr '\n' ' ')" = '755 644 ' ] &&
    r=0 || r=1
report $r "with --umask 022 all can read it"
"$apus" model add "$top/models/nano" second --models shared >out 2>err
[ "$(stat -c %a shared/* | sort -u)" = 644 ] && r=0 || r=1
stat -c '%a %n' shared/* >out
report $r "and what is added without it takes that from no one"
mkdir -m 700 alone
gives 0 "--umask 022 in a store of one account" model add "$top/models/nano" \
    nano --models alone --umask 022
has err 'alone" is for this account alone, .*chmod 755' "says what is missing"

# one weight changes, and the mtime is set back
cp "$model" good
touch -r "$model" then
size=$(wc -c <"$model")
printf '\001\002\003' |
    dd of="$model" bs=1 seek=$((size - 4000)) conv=notrunc 2>/dev/null
touch -r then "$model"
gives 1 "the worker hashes it again" run r.jsonl -m nano -o r.out --ranks 1
has err 'root' "and refuses it"
[ ! -e r.out ] && r=0 || r=1
report $r "nothing is answered"

# a disk that changes bytes leaves no trace in the file's numbers
name=$(basename "$model" .apus)
stat -c "$name %d %i %s %.9Y %.9Z" "$model" >models/checked
gives 1 "verify hashes it in any case" verify "${id#b}" --recompute all
gives 3 "and so does the doctor" doctor --offline --deep
has out '^bad.model.nano.*root.*remedy: apus model rm' "which says so"
gives 0 "without --deep it does not" doctor --offline

cp good "$model"
gives 0 "the right bytes" verify "${id#b}" --recompute all
gives 0 "and the batch continues" run r.jsonl -m nano -o r.out --ranks 1
finish
