#!/bin/sh
# --rounding fitted with models and disks that are bad for it: channels of
# zeros, activations out of range, a text of too few ids, damage to what is
# done, and no room at each of many calls.  No half model, and nothing is lost.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS
nano=$top/models/nano

copy() { # DIR: of nano, to be changed
    cp -r "$nano" "$1"
    chmod -R u+w "$1"
}
# Set numbers [FIRST, FIRST + N) of a tensor of DIR to a bf16.
set_numbers() { # DIR TENSOR FIRST N OCTAL-BYTES
    f=$1/model.safetensors
    head=$(od -An -tu8 -N8 "$f" | tr -d ' ')
    at=$(dd if="$f" bs=8 skip=1 count=$((head / 8)) 2>dd.err |
        sed "s/.*\"$2\":{[^}]*\"data_offsets\":\[\([0-9]*\),.*/\1/")
    i=0
    while [ $i -lt "$4" ]; do
        printf "$5"
        i=$((i + 1))
    done | dd of="$f" bs=2 seek=$(((8 + head + at) / 2 + $3)) conv=notrunc \
        2>dd.err
}
warnings() { grep -c 'apus: warning: ' err || :; }
none_left() { # STORE
    find "$1" -name '*.apus' -o -name 'new.*' -o -name '*.fitting' |
        grep -q . && r=1 || r=0
    report $r "no half model is left"
}

# ---- channels that are zero ------------------------------------------------
copy zero
set_numbers zero model.layers.0.input_layernorm.weight 5 1 '\000\000'
set_numbers zero model.layers.1.input_layernorm.weight 0 128 '\000\000'
gives 0 "channels of zeros" model add zero --rounding fitted
has err 'warning: calibration: 2 singular blocks of channels in layer 1: ' \
    "a layer of them has singular blocks, which are named"
[ "$(warnings)" -eq 1 ] && r=0 || r=1
report $r "in one line; one channel alone is fitted as ever"
gives 0 "its rule" model info zero
has out '^rounding: fitted, rule 2' "the model is fitted"
copy last
set_numbers last model.norm.weight 0 128 '\000\000'
gives 0 "zeros before the head" model convert last -o last.apus \
    --rounding fitted
has err 'calibration: 1 singular block of channels in the head: ' "are named"

# ---- an activation out of range --------------------------------------------
# The token of byte C3 (130) is a single channel, whose gain is what the other
# tokens can still bear.  The text has it; the model, whose likeliest tokens are
# made far likelier than others, does not generate it.
copy far
set_numbers far model.embed_tokens.weight $((130 * 128)) 128 '\000\000'
set_numbers far model.embed_tokens.weight $((130 * 128 + 9)) 1 '\000\076'
set_numbers far model.layers.0.self_attn.o_proj.weight 0 $((128 * 128)) \
    '\000\000'
set_numbers far model.layers.0.input_layernorm.weight 9 1 '\000\122'
set_numbers far model.norm.weight 0 128 '\200\102'
gives 0 "nearest" model convert far -o far.apus
cp out id
gives 0 "out of range on the text" model add far --rounding fitted
in='in layer 0 at position [0-9]* of window [0-9]* of the text'
has err "warning: calibration: activation out of range $in: the nearest rule" \
    "its position is named"
[ "$(warnings)" -eq 1 ] && r=0 || r=1
report $r "in one line"
same id out "the model is the one by the nearest rule"
gives 0 "its rule" model info far
has out '^rounding: nearest$' "which is said"
find models -name 'fitting*' | grep -q . && r=1 || r=0
report $r "nothing else is left"
copy wide
set_numbers wide model.layers.2.input_layernorm.weight 0 128 '\000\123'
gives 0 "out of range while it generates" model convert wide -o wide.apus \
    --rounding fitted
in='in layer 2 at position [0-9]* of window [0-9]* of the generated text'
has err "warning: calibration: activation out of range $in: " "is named, too"

# ---- a text of too few ids -------------------------------------------------
# A tokenizer that knows three characters and passes over all others.
copy few
cat >few/tokenizer.json <<'JSON'
{"version": "1.0", "truncation": null, "padding": null,
 "added_tokens": [{"id": 0, "content": "<|endoftext|>", "special": true},
 {"id": 1, "content": "<|im_start|>", "special": true},
 {"id": 2, "content": "<|im_end|>", "special": true}],
 "normalizer": null, "pre_tokenizer": null, "post_processor": null,
 "decoder": null,
 "model": {"type": "BPE", "unk_token": null,
 "vocab": {"Q": 3, "Z": 4, "X": 5, "QZ": 6}, "merges": ["Q Z"]}}
JSON
gives 1 "a tokenizer that makes few ids of the text" model add few \
    --rounding fitted
has err 'the calibration text gives [0-9]* ids with this tokenizer, and 1024' \
    "is an error"
has err 'use --rounding nearest' "which names the remedy"
[ "$(wc -l <err)" -eq 1 ] && r=0 || r=1
report $r "of one line"
[ -z "$(find models -name 'fitting*')" ] && r=0 || r=1
report $r "nothing is left of it"

# ---- what is done is damaged -----------------------------------------------
mkdir temporary
TMPDIR=$tmp/temporary
export TMPDIR
gives 75 "a full output" model convert "$nano" --rounding fitted -o /dev/full
state=$(echo temporary/fitting.*)
cp -r "$state" kept
rm "$state/tensors"
gives 0 "without its tensors" model convert "$nano" --rounding fitted -o a.apus
has err 'the model generates' "it begins again"
cp out id
cp -r kept "$state"
chmod 700 "$state"
dd if=kept/tensors of="$state/tensors" bs=1000 count=500 2>dd.err
gives 0 "tensors cut off" model convert "$nano" --rounding fitted -o b.apus
has err 'the model generates' "are seen: it begins again"
same id out "makes the same model"

# ---- no room, and ended, half way ------------------------------------------
# What generates takes some 80 calls, a layer some 22, the model some 80: each
# run gets further or fails again where the last one did.
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    for what in ENOSPC CRASH; do
        tries=0
        got=1
        for i in 1 60 90 110 130 10 23 30 50 45 40 60 75 0; do
            got=0
            env APUS_$what=$i "$apus" model add "$nano" half --models half \
                --rounding fitted >out 2>err || got=$?
            [ $got -ne 0 ] || break
            tries=$((tries + 1))
            [ $what = CRASH ] || [ "$(grep -vc 'apus: info: ' err)" -eq 1 ] &&
                r=0 || r=1
            [ $got -eq "$([ $what = CRASH ] && echo 137 || echo 75)" ] || r=1
            find half -name '*.apus' | grep -q . && r=1
            report $r "$what at call $i: exit status $got"
        done
        [ $got -eq 0 ] && [ $tries -gt 9 ] && r=0 || r=1
        report $r "after $what $tries times the same command goes on"
        same id out "to the same model"
        find half -name 'fitting*' -o -name 'new.*' | grep -q . && r=1 || r=0
        report $r "and nothing else is left"
        rm -rf half
    done
fi
finish
