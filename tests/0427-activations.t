#!/bin/sh
# --activations of apus model convert and apus_activations of config.json: which
# of the two holds, and what a rotated model says of itself.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS

# converts NAME FILE OPTION..: its id is in FILE
converts() {
    name=$1
    to=$2
    shift 2
    gives 0 "$name" model convert "$@" --no-tokenizer \
        -o "$to.apus"
    cp out "$to"
}

cp -r "$top/vectors/x1/models/tiny-llama-a8r" asked
cp -r asked plain
chmod -R u+w asked plain
sed 's/,$//; /apus_activations/d; s/"attention_bias": false/&/' \
    asked/config.json >plain/config.json
# the commas again, but for the last member
sed 's/^ \(".*[^[{]\)$/ \1,/; s/^\( "attention_bias": false\),$/\1/
    s/^ \]$/ ],/' plain/config.json >x && cp x plain/config.json

converts "the config asks for it" a asked
converts "the option" b plain --activations A8
same a b "both make one model"
cmp a.apus b.apus >err 2>&1 && r=0 || r=1
report $r "byte for byte"
converts "without both" c plain
converts "A14 against the config" d asked --activations A14
same c d "is as without both"
cmp a c >x 2>&1 && r=1 || r=0
report $r "which is another model"
converts "the option and the config" e asked --activations A8
same a e "say the same"
converts "smoothed keys" f plain --activations A8 --smooth auto

gives 0 "the rotated model" model info a.apus
has out '^activations: A8R$' "is A8R"
has out '^head: its own$' "and has a head of its own"
gives 0 "the other" model info c.apus
has out '^activations: A14$' "is A14"
has out '^head: tied to the embedding$' "and is tied, as its source"

gives 1 "A8 without rotation, and the option" \
    model convert "$top/vectors/x1/models/tiny-llama-a8" -o g.apus \
    --no-tokenizer --activations A8
has err 'leave --activations A8 out' "the remedy is named"
gives 0 "A8 by the config alone" \
    model convert "$top/vectors/x1/models/tiny-llama-a8" -o g.apus \
    --no-tokenizer
gives 0 "is still A8" model info g.apus
has out '^activations: A8$' "and says so"
gives 0 "a width with small blocks" \
    model convert "$top/vectors/x1/models/tiny-qwen2-a8r" -o h.apus \
    --no-tokenizer
has err 'width of 40 has blocks of 8' "is made with a warning"

printf '{"custom_id":"a","method":"POST","url":"/v1/completions",%s}\n' \
    '"body":{"prompt":[5,6,7],"max_tokens":8}' >r.jsonl
gives 0 "the rotated model answers" run r.jsonl -m a.apus --spool s -q
gives 0 "and its answers are verified" verify r.out.jsonl \
    --requests r.jsonl -m a.apus --recompute all

# ---- what cannot be rotated --------------------------------------------------
gives 1 "norms after a sublayer" model add "$top/vectors/x1/models/tiny-olmo2" \
    --no-tokenizer --activations A8
has err 'A8R is not for models with norms between' "says so"
gives 0 "as A14" model add "$top/vectors/x1/models/tiny-olmo2" --no-tokenizer
gives 0 "what it is" model info tiny-olmo2
has out '^norms of q, k: over all heads$' "norms over all heads"
has out '^norms of a layer: after$' "after"
has out '^gate: SiLU$' "SiLU"
gives 0 "layers that differ, GELU" \
    model add "$top/vectors/x1/models/tiny-gemma3" --no-tokenizer
gives 0 "what it is" model info tiny-gemma3
has out '^window, attention scale, RoPE: by layer$' "by layer"
has out '^norms of a layer: before and after$' "before and after"
has out '^gate: GELU$' "GELU"
has out '^soft caps: no$' "no soft caps"
gives 0 "experts" \
    model add "$top/vectors/x1/models/tiny-qwen3-moe" --no-tokenizer
gives 0 "what it is" model info tiny-qwen3-moe
has out '^experts: 7, a token has 3$' "how many"
gives 1 "experts, rotated" model add "$top/vectors/x1/models/tiny-qwen3-moe" \
    --no-tokenizer --activations A8
has err 'A8R is not for models with experts' "says so"
finish
