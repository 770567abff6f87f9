#!/bin/sh
# The gas that the loader of ao's compute units counts for a position is what
# the table of apus.lua says, within 0.9 and 1.1: of nano, stories260K and a
# model of another shape, near the beginning and the end of their contexts.
# Needs `make module` and APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/module.sh"

gives 0 "nano" model convert "$top/models/nano" -o nano
models=nano
stories=${APUS_TEST_DATA:-.}/models/stories260K
if [ -f "$stories/stories260K.safetensors" ]; then
    mkdir hf
    cp "$stories/stories260K.config.json" hf/config.json
    cp "$stories/stories260K.safetensors" hf/model.safetensors
    gives 0 "stories260K" model convert hf --no-tokenizer -o stories260K
    models="$models stories260K"
else
    echo "# no APUS_TEST_DATA: stories260K is left out"
fi
make=$(dirname "$apus")/tests/shapegguf
if [ -x "$make" ]; then
    "$make" stories15m 2 2048 256 shape.gguf
    gives 0 "two layers of stories15M" model convert shape.gguf -o shape
    models="$models shape"
else
    echo "# no tests/shapegguf: two layers of stories15M are left out"
fi
# shellcheck disable=SC2086
drive gas plain $metered "$top/contrib/ao/module/apus.lua" $models \
    >said 2>err && r=0 || r=1
cp said out
report $r "counted"
for model in $models; do
    awk -F '\t' -v model="$model" '$1 != model { next }
        $2 == "fit" { good += $3 == "yes"; next }
        { good += $5 > 0.9 && $5 < 1.1 }
        END { exit good != 3 }' said && r=0 || r=1
    report $r "$model: $(sed -n "s/^$model\t[0-9.]*\t\(.*\)\t\(.*\)\t\(.*\)/\1 \
of \2,/p" said | tr '\n' ' ')within 0.9 and 1.1, and a message's fit into it"
done
finish
