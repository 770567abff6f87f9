#!/bin/sh
# A model that batches need is neither removed nor loses its name.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL
n_models() { find models -name '*.apus' | wc -l; }

gives 0 "a model" model add "$nano" nano
id=$(cat out)
head -n 2 "$nano/eval.jsonl" >q.jsonl
gives 0 "a batch" run q.jsonl -m nano -q
b=$(ls spool/done)
mv "spool/done/$b" spool/todo/
for what in nano "$id"; do
    gives 1 "model rm $what" model rm "$what"
    has err "needed by 1 batch (${b#b}): .*--force" "$what: names the batch"
    [ "$(n_models)" -eq 1 ] && r=0 || r=1
    report $r "$what: it is there"
done
gives 0 "a second name" model add "$nano" other
gives 0 "a name that is not the last" model rm other
[ "$(n_models)" -eq 1 ] && r=0 || r=1
report $r "the file is there"
gives 1 "another model under the name" model add "$nano" nano \
    --activations A8
has err "the name \"nano\": .*needed by 1 batch (${b#b})" "names the batch"
has err "is in the store as [A-Za-z0-9_-]*$" "it is there by its id"
gives 0 "the directory that it came from, again" model add "$nano" nano
same_id=$(cat out)
[ "$same_id" = "$id" ] && r=0 || r=1
report $r "it is the same model"
gives 0 "the same model again" model convert "$nano" -o nano.apus
gives 0 "takes its own name" model add nano.apus nano
gives 0 "--force" model add "$nano" nano --activations A8 --force
has err "\"nano\" was the model $id until now" "says what it was"
[ "$(n_models)" -eq 2 ] && r=0 || r=1
report $r "both are there"
gives 0 "a third name" model add "$nano" third
gives 0 "and the first name again" model add "$nano" nano --force
gives 0 "a name that passes on" model add "$nano" third --activations A8 \
    --force
has err "until now, which is still \"nano\"$" "no rm is proposed"
gives 0 "as before" model add "$nano" nano --activations A8 --force
has err "until now: apus model rm .* removes that" "but of the last name"
gives 1 "the one without a name" model rm "$id"
gives 0 "--force removes it" model rm "$id" --force
has err "model $id is removed$" "it says so"
gives 0 "one of two names" model rm third
has err 'the name "third" is removed; its model has others' "says so"
[ "$(n_models)" -eq 1 ] && r=0 || r=1
report $r "it is gone"
mv "spool/todo/$b" spool/failed/
gives 0 "what failed needs none" model rm nano
has err 'is removed, which was "nano"$' "the last name goes with the model"
gives 1 "an invalid name" model rm nano
has err 'there is no model.*apus model list' "says so, with a remedy"
gives 0 "a name" model add "$nano" nano
head -n 1 "$nano/eval.jsonl" >one.jsonl
for what in 'run one.jsonl -m nanoo' 'submit one.jsonl -m nnao' \
    'check one.jsonl -m nan' 'model info nan0' 'tokenize -m nanO one.jsonl'; do
    gives 1 "$what" $what
    has err 'apus model list shows.*is "nano" meant' "a name that is near"
done
gives 0 "without the name" model rm nano --force

# ---- a model of weights alone ----------------------------------------------
mkdir bare
cp "$nano/config.json" "$nano/model.safetensors" bare/
gives 1 "a directory without a tokenizer" model add bare
has err 'bare.* has no tokenizer .*--no-tokenizer' "is refused"
gives 1 "to a file, too" model convert bare -o bare.apus
gives 0 "--no-tokenizer" model add bare --no-tokenizer
has err 'bare.* has no tokenizer: .*token ids' "warns of it"
gives 0 "the same to a file" model convert bare -o bare.apus --no-tokenizer
has err 'bare.* has no tokenizer' "warns too"
gives 0 "that file" model add bare.apus
has err 'bare.apus.* has no tokenizer' "warns of it"

# ---- an id is the name of no other model -----------------------------------
gives 0 "a model again" model add "$nano" nano
gives 1 "its id as a name" model add "$nano" "$id" --activations A8
has err "\"$id\" cannot be a name: it is an id" "says that it is an id"
other=$(printf 'A%.0s' $(seq 43))
gives 1 "any id" model add "$nano" "$other"
echo "$id $other" >>models/names
gives 0 "a store of before that has one" model info "$id"
has out "^id: $id$" "the id is meant"
grep -v "^$id" models/names >names.new
mv names.new models/names
cp "models/$id.apus" .
gives 0 "a file that is called after its id" model add "./$id.apus"
gives 0 "the list" model list
has out "^$(echo "$id" | cut -c1-8)[[:space:]]$id" \
    "its name is what the id begins with"
finish
