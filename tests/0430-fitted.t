#!/bin/sh
# --rounding fitted of apus model add and convert: the model is nearer to its
# source, the same from both, and known as fitted; what cannot be is refused,
# and an interruption or a full disk leaves no model and loses nothing.
# part: all
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
has err 'calibration: the model generates half of the text' \
    "what it does first is said"
has err 'fitted 7 of 7 layers' "with progress"
near=$(kl nano)
fit=$(kl fitted)
echo "# KL in 1e-6: nearest $near, fitted $fit"
[ "$fit" -gt 0 ] && [ $((fit * 4)) -lt $((near * 3)) ] && r=0 || r=1
report $r "is nearer to the source by a quarter at least"
gives 0 "its rule" model info fitted
has out '^rounding: fitted, rule 2 (generated text and text 1)$' "is shown"
cp models/made made
sed 's/,fitted:2/,fitted:1/' made >models/made
gives 0 "of an older line" model info fitted
has out '^rounding: fitted, rule 1 (text 1)$' "too"
cp made models/made
[ "$(wc -c <"models/$(cat id).apus")" = "$(wc -c <n.apus)" ] && r=0 || r=1
report $r "its file is as large"
gives 0 "on one thread" model convert "$nano" -o f.apus --rounding fitted \
    --threads 1
same id out "it is the same model"

# ---- an A8R model ------------------------------------------------------------
gives 0 "nearest with A8" model add "$nano" near8 --activations A8
gives 0 "fitted with A8" model add "$nano" fit8 --activations A8 \
    --rounding fitted
cp out id8
gives 0 "its rule" model info fit8
has out '^rounding: fitted, rule 2' "is shown"
near=$(kl near8)
fit=$(kl fit8)
echo "# KL in 1e-6: nearest $near, fitted $fit"
[ "$fit" -gt 0 ] && [ $((fit * 4)) -lt $((near * 3)) ] && r=0 || r=1
report $r "is nearer to the source by a quarter at least"
gives 0 "on one thread" model convert "$nano" -o f8.apus --rounding fitted \
    --activations A8 --threads 1
same id8 out "it is the same model"
cmp -s id id8 && r=1 || r=0
report $r "and another one than that of A14"
find . -name 'fitting*' -o -name '*.fitting' | grep -q . && r=1 || r=0
report $r "nothing else is left"

# ---- what cannot be --------------------------------------------------------
gives 2 "another word" model add "$nano" --rounding up
has err 'nearest or fitted expected' "is named"
gives 2 "with smoothing" model add "$nano" --rounding fitted --smooth auto
gives 1 "experts" model add "$vectors/tiny-qwen3-moe" --rounding fitted \
    --no-tokenizer
has err 'fitted is not for a model with experts' "are refused by name"
gives 1 "no tokenizer" model add "$vectors/tiny-mistral" --rounding fitted \
    --no-tokenizer
has err 'needs a tokenizer' "is refused"

for option in "--rounding fitted" "--rounding nearest" "--activations A8" \
    "--smooth auto" "--smooth off" --no-chat-template; do
    gives 2 "a model file with $option" model add n.apus $option
    has err "error: ${option% *} is for a conversion, .* is a model file" \
        "which is one already"
done
gives 0 "it is added as it is" model add n.apus file

# ---- no room, and Ctrl-C -----------------------------------------------------
(
    ulimit -f 3000
    got=0
    "$apus" model add "$nano" full --models full --rounding fitted >out 2>err ||
        got=$?
    echo "$got" >status
)
[ "$(cat status)" -ne 0 ] && r=0 || r=1
report $r "a file that cannot grow is an error"
[ "$(grep -vc 'apus: info: ' err)" -eq 1 ] && r=0 || r=1
report $r "of one line"
find full -name '*.apus' -o -name 'new.*' | grep -q . && r=1 || r=0
report $r "and no model is in the store"
got=0
"$apus" model add "$nano" full --models full --rounding fitted >out 2>err &
pid=$!
while kill -0 $pid 2>/dev/null && ! ls full/fitting.*/rows >rows 2>&1; do
    sleep 0.02
done
kill -INT $pid 2>/dev/null || :
wait $pid || got=$?
[ "$got" -eq 75 ] || [ "$got" -eq 0 ] && r=0 || r=1
report $r "Ctrl-C: exit status 75, or it was done"
if [ "$got" -eq 75 ]; then
    find full -name '*.apus' -o -name 'new.*' | grep -q . && r=1 || r=0
    report $r "no half model"
    has err 'interrupted after [0-9]* of .* the same command goes on' \
        "it says so"
    [ "$(grep -vc 'apus: info: ' err)" -eq 1 ] && r=0 || r=1
    report $r "in one line"
fi
was=$got
gives 0 "it goes on" model add "$nano" full --models full --rounding fitted
same id out "to the same model"
[ "$was" -eq 0 ] || ! grep -q 'the model generates' err && r=0 || r=1
report $r "with the layers that were done"
find full -name 'fitting*' | grep -q . && r=1 || r=0
report $r "and nothing else is left"
gives 1 "no such directory" model convert "$nano" --rounding fitted \
    -o narrow/missing/x.apus

# ---- no room where the model belongs -----------------------------------------
mkdir temporary
TMPDIR=$tmp/temporary
export TMPDIR
gives 75 "a full output" model convert "$nano" --rounding fitted -o /dev/full
state=$(echo temporary/fitting.*)
[ -f "$state/rows" ] && [ ! -e temporary/apus-model-* ] && r=0 || r=1
report $r "what is done is kept"
[ "$(stat -c %a "$state")" = 700 ] && r=0 || r=1
report $r "for this account alone"
chmod 770 "$state"
gives 1 "a directory others can write" model convert "$nano" -o f.apus \
    --rounding fitted
has err "$state.* remove it, or choose" "is refused by name"
chmod 700 "$state"
: >"$state/.rows.killed" # of a process that was killed
gives 0 "the same command" model convert "$nano" --rounding fitted -o f.apus
same id out "goes on to the same model"
find temporary -name 'fitting*' | grep -q . && r=1 || r=0
report $r "and nothing else is left"

# ---- two accounts, one place -----------------------------------------------
other() { setpriv --reuid=12345 --regid=12345 --clear-groups -- "$@"; }
if other test -x "$apus" 2>/dev/null; then
    chmod 755 "$tmp"
    chmod 1777 temporary
    other "$apus" model convert "$nano" --rounding fitted -o /dev/full \
        >out 2>err && got=0 || got=$?
    [ "$got" -eq 75 ] && [ -d temporary/fitting.* ] && r=0 || r=1
    report $r "another account leaves its own"
    gives 0 "which is in nobody's way" model convert "$nano" -o f.apus \
        --rounding fitted
    same id out "the same model"
    [ "$(stat -c %u temporary/fitting.*)" = 12345 ] && r=0 || r=1
    report $r "and it is left alone"
    rm -r temporary/fitting.*
else
    echo "# another account is not to be had here"
fi

# ---- a published model -----------------------------------------------------
data=${APUS_TEST_DATA:-}/models/smollm2
gguf=$data/SmolLM2-135M-Instruct.Q4_1.gguf
if [ -n "$long" ] && [ -f "$gguf" ]; then
    gives 0 "SmolLM2" model add "$gguf" smollm2 --rounding fitted
    has out '^K8YnktTjVXHy87Q3JPT9YDTaBu7JWJA1fGlJDiQZpqw$' "is the known model"
    gives 0 "beside float" model compare smollm2 "$gguf" \
        --ids "$data/contexts.ids"
    has out '^KL, mean  *2.7[12].e-03$' "KL is 2.72e-3"
    has out '^KL, mean of second halves 2.4[56].e-03' "2.46e-3 at the end"
    has out '^next id equal, margin 0.1 to 0.5 .* 3203 of 3305$' "near ids"
    has out '^perplexity, model  *26.639' "perplexity"
    gives 0 "SmolLM2 with A8" model add "$gguf" smollm8 --rounding fitted \
        --activations A8
    has out '^svjIipSOgCQO_BfXr_DRgHb37IDZi1TcenKKbMdUc-Q$' \
        "is the known model"
    gives 0 "beside float" model compare smollm8 "$gguf" \
        --ids "$data/contexts.ids"
    has out '^KL, mean  *3.9[89].e-03$' "KL is 3.99e-3"
    has out '^KL, mean of second halves 3.\(59\|60\).e-03' "3.60e-3 at the end"
    has out '^next id equal, margin 0.1 to 0.5 .* 3129 of 3305$' "near ids"
    has out '^perplexity, model  *26.687' "perplexity"
fi
finish
