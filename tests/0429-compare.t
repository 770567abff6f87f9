#!/bin/sh
# apus model compare: a model beside its source's float values, beside itself
# and beside another one; with --long SmolLM2's published figures.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS
nano=$top/models/nano
text=$nano/README.md
vectors=$top/vectors/x1/models

gives 0 "a model" model add "$nano" nano
gives 0 "beside its source" model compare nano "$nano" --text "$text" \
    --plot kl.svg
has out '^positions [0-9]* *, windows 2$' "two windows"
has out '^KL, mean  *[1-3]\.[0-9]*e-03$' "the divergence is small"
has out '^next id equal, margin over 0.5  *100.00 %' "sure ids are the same"
has out '^perplexity, model .* [+-]0\.[0-9]* %$' "and so is perplexity, nearly"
has kl.svg '<polyline .*points="' "a picture"
gives 0 "beside itself" model compare nano nano --text "$text" --length 64 \
    --json
has out '"kl":{"mean":0,"second_half":0,"median":0,"p99":0,"largest":0}' \
    "nothing differs"
has out '"windows":1[0-9],' "windows of 64"
gives 0 "A8R of it" model add "$nano" rotated --activations A8
gives 0 "beside A14" model compare rotated nano --text "$text" --json
has out '"kl":{"mean":[0-9.e-]*[1-9]' "differs"
printf '1 2 3 4\n5 6 7\n' >lines.ids
gives 0 "ids" model compare nano "$nano" --ids lines.ids --json
has out '"positions":7,"windows":2' "are taken as they are"

# ---- two contexts, two of one name -----------------------------------------
cp -r "$nano" short
chmod -R u+w short
sed 's/\("max_position_embeddings":\) 512/\1 64/' "$nano/config.json" \
    >short/config.json
gives 0 "a shorter context" model add short brief
for pair in "nano brief" "brief nano" "nano $tmp/short"; do
    gives 0 "$pair" model compare $pair --text "$text" --json
    has out '"windows":1[0-9],' "windows of 64, as the shorter context"
done
has out '"kl":{"mean":[0-9.e-]*[1-9]' "beside float values, which differ"
gives 0 "one model, two contexts" model compare nano brief --text "$text" --json
has out '"largest":0}' "is the same"
seq 1 65 | tr '\n' ' ' >long.ids
gives 1 "a window too long for it" model compare nano brief --ids long.ids
has err 'line 1 has more ids than the context of 64' "says so"
mkdir nano
gives 0 "beside a directory of that name" model compare nano nano \
    --ids lines.ids --json
has out '"largest":0}' "the store's model is meant"
rmdir nano

# ---- the picture -----------------------------------------------------------
for where in - /dev/stdout /dev/fd/1; do
    gives 2 "a picture on $where" model compare nano nano --ids lines.ids \
        --plot "$where"
    has err 'the numbers go to standard output' "is refused"
    [ -s out ] && r=1 || r=0
    report $r "and nothing is printed"
done
if [ -w /dev/full ]; then
    gives 1 "no room for it" model compare nano nano --ids lines.ids \
        --plot /dev/full
    has out '^KL, largest  *0.000e+00$' "loses no numbers"
fi

# ---- what cannot be --------------------------------------------------------
gives 2 "no text" model compare nano "$nano"
has err 'give a text with --text' "says so"
gives 2 "a text and ids" model compare nano nano --text "$text" --ids lines.ids
gives 2 "a bad length" model compare nano nano --text "$text" --length 1
gives 2 "no number" model compare nano nano --text "$text" --length 12x
gives 1 "no such text" model compare nano nano --text nothing
has err 'nothing' "names it"
: >empty
gives 1 "an empty text" model compare nano nano --text empty
has err '"empty" gives fewer than two ids' "says so"
printf 'a\377b' >bytes
gives 1 "a text that is not UTF-8" model compare nano nano --text bytes
has err '"bytes": .*UTF-8' "says so"
echo '1 512' >bad.ids
gives 1 "an id that there is not" model compare nano nano --ids bad.ids
has err '"bad.ids": line 1 has a word that is not an id below 512' "says so"
gives 1 "no such reference" model compare nano nothing --text "$text"
gives 0 "another model" model add "$vectors/tiny-qwen3" tiny --no-tokenizer
gives 1 "another vocabulary" model compare nano tiny --text "$text"
has err 'vocabulary of 512 ids, the reference one of' "is named"
gives 1 "a text without a tokenizer" model compare tiny tiny --text "$text"
has err 'no tokenizer: use --ids' "names the remedy"
gives 1 "experts in float" model compare nano "$vectors/tiny-qwen3-moe" \
    --text "$text"
has err 'experts' "are refused by name"
gives 1 "no place for a picture" model compare nano nano --ids lines.ids \
    --plot nowhere/kl.svg
[ -s out ] && r=1 || r=0
report $r "and nothing is printed"

# ---- a published model -----------------------------------------------------
data=${APUS_TEST_DATA:-}/models/smollm2
gguf=$data/SmolLM2-135M-Instruct.Q4_1.gguf
if [ -n "$long" ] && [ -f "$gguf" ]; then
    gives 0 "SmolLM2" model add "$gguf" smollm2
    gives 0 "beside float" model compare smollm2 "$gguf" \
        --ids "$data/contexts.ids"
    has out '^KL, mean  *5.1[5-9].e-03$' "KL is 5.18e-3"
    has out '^KL, mean of second halves 4.6[4-9].e-03' "4.67e-3 at the end"
    has out '^next id equal, margin over 0.5 .* 7967 of 7969$' "sure ids"
    has out '^next id equal, margin 0.1 to 0.5 .* 3099 of 3305$' "others"
    has out '^perplexity, reference  *26.560' "float's perplexity"
    has out '^perplexity, model  *26.69' "the model's"
fi
finish
