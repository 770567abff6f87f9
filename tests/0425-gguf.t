#!/bin/sh
# GGUF files as models: added, named by -m, converted once; what they have in
# common with the directory that they were made of; files that are not GGUF.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL
make=$(dirname "$apus")/tests/makegguf
[ -x "$make" ] || {
    echo "1..0 # SKIP tests/makegguf is not built"
    exit 0
}
"$make" "$top/models/nano" nano.gguf
head -n 4 "$top/models/nano/eval.jsonl" >q.jsonl

gives 0 "a GGUF file is run" run q.jsonl -m nano.gguf -o first.jsonl
has err "converting \"nano.gguf\"" "it is converted first"
[ "$(wc -l <first.jsonl)" -eq 4 ] && r=0 || r=1
report $r "every request has an answer"
gives 0 "again" run q.jsonl -m nano.gguf -o second.jsonl
grep -q converting err && r=1 || r=0
report $r "it is converted once"
gives 0 "the store has it" model list
has out '^nano[[:space:]]' "under its name"
gives 0 "what it is" model info nano.gguf
has out '^tokenizer: byte-level BPE$' "has a tokenizer"
has out '^chat template: its own$' "and a chat template"

gives 0 "added under another name" model add nano.gguf other
id=$(cat out)
gives 0 "the directory that it was made of" model add "$top/models/nano" dir
begin=$(echo "$id" | cut -c 1-8)
has err "the same weights as model $begin, but: tokenizer$" \
    "has its weights, and what differs is named"
[ "$(cat out)" != "$id" ] && r=0 || r=1
report $r "another id"
cp -r "$top/models/nano" endless
chmod -R u+w endless
sed 's/"eos_token_id"/"unused"/' "$top/models/nano/config.json" \
    >endless/config.json
echo '{}' >endless/tokenizer_config.json
gives 0 "no end of a text" model add endless
has err "but: ends none, there [0-9]" "an empty list is called none"
rm -r endless
gives 0 "converted to a file" model convert nano.gguf -o nano.apus
[ "$(cat out)" = "$id" ] && r=0 || r=1
report $r "it has the same id"

touch nano.gguf
cat nano.gguf >changed.gguf
gives 1 "a file that was not converted" check q.jsonl -m changed.gguf
has err 'apus model add does that' "names the remedy"

sed 's/general\.name/general.type/' nano.gguf >lora.gguf
gives 1 "what is made for a model" model add lora.gguf
has err 'general.type is ".*": it is made for a model and is none' "is named"
echo "version https://git-lfs.github.com/spec/v1" >lfs.gguf
gives 1 "a pointer of Git LFS" model add lfs.gguf
has err 'git lfs pull' "names the remedy"
head -c 100000 nano.gguf >cut.gguf
gives 1 "a download that was cut" model add cut.gguf
has err 'is not whole' "is named"
: >empty.gguf
gives 1 "an empty file" model add empty.gguf
has err '"empty.gguf": it is empty: download it again' "is named"
find models -name 'new.*' | grep -q . && r=1 || r=0
report $r "nothing is left of those"
finish
