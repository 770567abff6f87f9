#!/bin/sh
# Directories whose files are not what their names say, and settings that change
# a prompt or the end of an answer: each is taken as it is meant, or named when
# the model is added.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

# NAME: a copy of nano to be changed
copy() {
    rm -rf "$1"
    mkdir "$1"
    cp "$nano"/*.json "$nano/model.safetensors" "$1"
}
# FILE SED: change a file
change() {
    sed "$2" "$1" >changed
    ! cmp -s changed "$1" || echo "nothing changed in $1" >>err
    mv changed "$1"
}
refuses() { # TEXT NAME
    gives 1 "$2" model add d
    has err "$1" "$2: says so"
}

# ---- files that are something else ------------------------------------------
lfs='version https://git-lfs.github.com/spec/v1'
for file in model.safetensors tokenizer.json config.json chat_template.json \
    added_tokens.json; do
    copy d
    printf '%s\noid sha256:00\nsize 5\n' "$lfs" >"d/$file"
    refuses "$file\" is a Git LFS pointer.*git lfs pull" "a pointer, $file"
done
copy d
printf '%s\noid sha256:00\nsize 5\n' "$lfs" >d/tekken.json
gives 0 "a pointer that nothing needs" model add d other
copy d
mv d/tokenizer.json d/x
printf '%s\noid sha256:00\nsize 5\n' "$lfs" >d/tekken.json
refuses 'tekken.json" is a Git LFS pointer' "a pointer, tekken.json"
copy d
printf '\n<!DOCTYPE html>\n<html>' >d/model.safetensors
refuses 'is a web page' "a web page"
copy d
printf '<html>' >d/tokenizer_config.json
refuses 'tokenizer_config.json" is a web page' "a web page for a small file"
copy d
head -c 100000 "$nano/model.safetensors" >d/model.safetensors
refuses 'ends within tensor .*the download did not finish' "a cut download"
head -c 1000 "$nano/model.safetensors" >d/model.safetensors
refuses 'ends within its header' "cut in the header"
: >d/model.safetensors
refuses 'is empty' "an empty file"
printf 'Entry not found' >d/model.safetensors
refuses 'is a text, not safetensors.*download it again' "what a server said"
for file in tokenizer.json config.json tokenizer_config.json; do
    copy d
    printf 'Entry not found' >"d/$file"
    refuses "$file\" is not JSON: download it again" "it said that for $file"
    head -c 100 "$nano/$file" >"d/$file"
    refuses "$file\" ends within its JSON: the download" "$file, cut"
    head -c 600 /dev/zero >>"d/$file"
    refuses "$file\" ends within its JSON: the download" "$file, room for it"
    printf '\357\273\277' | cat - "$nano/$file" >"d/$file"
    refuses "$file\" begins with a byte order mark" "$file with a BOM"
    printf '\377\376{\0' >"d/$file"
    refuses "$file\" is UTF-16: iconv" "$file in UTF-16"
    printf '\037\213\010\0' >"d/$file"
    refuses "$file\" is compressed: gzip -d" "$file, compressed"
done
for file in tokenizer_config.json generation_config.json chat_template.json; do
    copy d
    echo '["x"]' >"d/$file"
    refuses "$file\" is a list and no object" "a list, $file"
done
# what there is instead of weights
instead() { # FILE TEXT
    copy d
    rm d/model.safetensors
    : >"d/$1"
    refuses "nor model.safetensors.index.json; $1 $2" "$1 alone"
}
instead m.gguf 'is a GGUF file: apus model add takes it'
instead model-00002-of-00003.safetensors 'is one of several, and '
instead model.safetensors.incomplete 'is there: the download did not finish'
instead model.safetensors.crdownload 'is there: the download did not finish'
copy d
ln -sf nowhere d/model.safetensors
refuses 'model.safetensors is a link that leads nowhere' "a link to nothing"
# ---- configurations that say two things --------------------------------------
copy d
theta='"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}'
change d/config.json "s/\"rope_theta\": [0-9.]*/&, $theta/"
refuses 'rope_theta is 10000, and 500000 elsewhere' "two values"
copy d
change d/config.json 's/LlamaForCausalLM/MistralForCausalLM/'
refuses 'MistralForCausalLM"; it is not that of model_type' "two families"
copy d
printf 'PK\003\004\024\000\010\010' >d/model.safetensors
refuses 'is a ZIP archive' "an archive"
printf 'GGUF\003\000\000\000' >d/model.safetensors
refuses 'is a GGUF file.*add FILE.gguf' "a GGUF file under its name"
printf '\037\213\010\010\201\202\203\204' >d/model.safetensors
refuses 'is not safetensors, or damaged' "something else"
for file in pytorch_model.bin adapter_model.safetensors \
    consolidated.safetensors; do
    copy d
    mv d/model.safetensors "d/$file"
    refuses "has neither model.safetensors nor .*; $file [hi]" "$file alone"
done
copy d
rm d/tokenizer.json
refuses 'has no tokenizer.*--no-tokenizer' "no tokenizer"
cp "$nano/eval.jsonl" q.jsonl
gives 1 "no tokenizer, by run" run q.jsonl -m d -o a.jsonl
has err 'has no tokenizer' "no tokenizer, by run: says so"

# ---- two sets of weights -----------------------------------------------------
copy d
cat >d/model.safetensors.index.json <<J
{"weight_map":{"x":"model-00001-of-00001.safetensors"}}
J
gives 0 "two sets of weights" model add d
has err 'warning: .*model.safetensors is taken, and not the shards' \
    "two sets of weights: says which"

# ---- settings ----------------------------------------------------------------
gives 0 "nano" model add "$nano" nano
id=$(cat out)
same() { # NAME: the model is nano's
    gives 0 "$1" model add d
    [ "$(cat out)" = "$id" ] && r=0 || r=1
    report $r "$1: the same model"
}
copy d
change d/config.json 's/"torch_dtype"/"unused": NaN, "more": [-Infinity], &/'
change d/tokenizer_config.json 's/"model_max_length"/"x": Infinity, &/'
same "numbers that are not JSON in members that are not needed"
change d/config.json 's/"rms_norm_eps": [^,]*/"rms_norm_eps": NaN/'
gives 1 "NaN where a number is needed" model add d
copy d
change d/config.json \
    's/"rope_scaling": null/"rope_scaling": {"type": "longrope", "factors": 1}/'
refuses 'rope_type is "longrope"' "a scaling that is not known"
copy d
change d/config.json 's/"eos_token_id": 2/"eos_token_id": 0/'
gives 0 "an end of turn that config.json does not list" model add d
gives 0 "its ends" model info d
has out '^eos: 0 2$' "its ends: those of the files and eos_token"
change d/tokenizer_config.json 's/"eos_token": "[^"]*"/"eos_token": null/'
gives 0 "an end of turn that no file lists" model add d
gives 0 "its ends" model info d
has out '^eos: 0 2$' "its ends: what closes a turn of the template"
copy d
change d/tokenizer_config.json "s/<|im_end|>' + /' + /"
gives 0 "a template without an end of turn" model add d
has err 'warning: .*no token closes a turn' "says so"
copy d
change d/tokenizer.json 's/"added_tokens": \[/&{"id": 512, "content": "<pad>",\
    "special": true},/'
gives 0 "a special token outside the vocabulary" model add d
has err 'warning: .*"<pad>" is left out' "says so"
[ "$(cat out)" = "$id" ] && r=0 || r=1
report $r "the same model"
change d/tokenizer.json '/"<pad>"/,/special/s/true/false/'
refuses '"<pad>" is 512, not below 512' "one that a text could have"

copy d
cat >d/tokenizer.json <<J
{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1]]}}
J
gives 0 "a unigram" model add d
gives 0 "what it is" model info d
has out '^tokenizer: unigram$' "it is called so"

# ---- models that an older rule made ------------------------------------------
rm -rf models
copy d
gives 0 "a model" model add d
id=$(cat out)
has models/made "^$id 2 .*/d\$" "its rule and source are remembered"
sed 's/ 2 / 1 /' models/made >made
cp made models/made
gives 0 "made by an older rule" model list
! grep -q 'rule' out && r=0 || r=1
report $r "which makes no difference: no mark"
change d/config.json 's/"eos_token_id": 2/"eos_token_id": 0/'
gives 0 "made by an older rule" model list
has out 'made by rule 1, .*apus model add .*/d$' "which does: a mark"
# without a source: eos 0 alone, at bytes 68 and 72 of the record
cp "models/$id.apus" old.apus
printf '\001\000\000\000\000\000\000\000' |
    dd of=old.apus bs=1 seek=68 conv=notrunc 2>>err
rm -rf models
gives 0 "a model file" model add old.apus
gives 0 "whose chats cannot end" model list
has out 'made by rule 1, .*its source$' "a mark"

# ---- sampling defaults -------------------------------------------------------
info() { # WANTED NAME
    gives 0 "$2: model info" model info "$id"
    line=$(sed -n 's/^sampling defaults of its source.*taken): //p' out)
    [ "$line" = "$1" ] && r=0 || r=1
    report $r "$2: \"$line\""
}
copy d
gives 0 "no generation_config.json" model add d
id=$(cat out)
info "" "no generation_config.json"
printf '{"do_sample": true, "temperature": 0.60, "top_k": 20, "top_p": 0.95,
"transformers_version": "4.51.0"}' >d/generation_config.json
gives 0 "sampling defaults" model add d
info "do_sample true, temperature 0.60, top_p 0.95, top_k 20" "defaults"
[ "$(cat models/sampling)" = "$id do_sample true, temperature 0.60, $(
    )top_p 0.95, top_k 20" ] && r=0 || r=1
report $r "they have one line"
gives 0 "a model file" model convert d -o same.apus
gives 0 "the same from a file" model add same.apus
info "do_sample true, temperature 0.60, top_p 0.95, top_k 20" "still known"
printf '{"temperature": "hot", "top_p": {}, "do_sample": null}' \
    >d/generation_config.json
gives 0 "invalid defaults" model add d
info "" "none"
finish
