#!/bin/sh
# --rounding fitted of apus model add and convert: the model is nearer to its
# source, the same from both, and known as fitted; what cannot be is refused,
# and an interruption or a full disk leaves no model and loses nothing.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS
nano=$top/models/nano
vectors=$top/vectors/x1/models

kl() { # MODEL: to standard output, in 1e-6
    "$apus" model compare "$1" "$nano" --text "$nano/README.md" --json |
        sed 's/.*"kl":{"mean":\([0-9.e-]*\).*/\1/' |
        awk '{ printf "%d", $1 * 1e6 }'
}

gives 0 "nearest" model add "$nano" nano
gives 0 "nearest by name" model convert "$nano" --rounding nearest -o n.apus
[ "$(cat out)" = "$(basename models/*.apus .apus)" ] && r=0 || r=1
report $r "is the default"
gives 0 "its rule" model info nano
has out '^rounding: nearest$' "is shown"
gives 0 "fitted" model add "$nano" fitted --rounding fitted
cp out id
has err 'fitted 7 of 7 layers' "with progress"
near=$(kl nano)
fit=$(kl fitted)
echo "# KL in 1e-6: nearest $near, fitted $fit"
[ "$fit" -gt 0 ] && [ $((fit * 4)) -lt $((near * 3)) ] && r=0 || r=1
report $r "is nearer to the source by a quarter at least"
gives 0 "its rule" model info fitted
has out '^rounding: fitted, text 1$' "and text are shown"
[ "$(wc -c <"models/$(cat id).apus")" = "$(wc -c <n.apus)" ] && r=0 || r=1
report $r "its file is as large"
gives 0 "on one thread" model convert "$nano" -o f.apus --rounding fitted \
    --threads 1
same id out "it is the same model"
find . -name 'fitting*' -o -name '*.fitting' | grep -q . && r=1 || r=0
report $r "nothing else is left"

# ---- what cannot be --------------------------------------------------------
gives 2 "another word" model add "$nano" --rounding up
has err 'nearest or fitted expected' "is named"
gives 2 "with smoothing" model add "$nano" --rounding fitted --smooth auto
gives 2 "with A8" model add "$nano" --rounding fitted --activations A8
gives 1 "experts" model add "$vectors/tiny-qwen3-moe" --rounding fitted \
    --no-tokenizer
has err 'fitted is not for a model with experts' "are refused by name"
gives 1 "no tokenizer" model add "$vectors/tiny-mistral" --rounding fitted \
    --no-tokenizer
has err 'needs a tokenizer' "is refused"
gives 1 "no such directory" model convert "$nano" --rounding fitted \
    -o narrow/missing/x.apus
finish
