#!/bin/sh
# Files of llama2.c as models: added with a tokenizer beside them, or one that
# is named, or none; the answers of stories260K are those of its GGUF file; what
# is refused, with the remedy.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL
make=$(dirname "$apus")/tests/makellama2c
[ -x "$make" ] || {
    echo "1..0 # SKIP tests/makellama2c is not built"
    exit 0
}
"$make" "$top/models/nano" nano.bin

gives 1 "without a tokenizer" model add nano.bin
has err 'no tokenizer (.*tokenizer.bin beside it, or --tokenizer' \
    "names what would help"
gives 0 "for token ids" model add nano.bin ids --no-tokenizer
has err 'has no tokenizer' "says what that means"
gives 0 "what it is" model info ids
has out '^context: 512$' "the context"
has out '^eos: 2 1$' "the ends"
gives 2 "a tokenizer for a directory" model add "$top/models/nano" x \
    --tokenizer nano.bin
has err "tokenizer is for a .bin file of llama2.c" "is misuse"
gives 1 "a tokenizer that is not there" model add nano.bin x --tokenizer gone
has err '"gone"' "is named"
gives 1 "one that is none" model add nano.bin x --tokenizer "$top/NEWS"
has err 'NEWS": ' "is named"

# ---- bad files --------------------------------------------------------------
refuses() { # TEXT NAME: of bad.bin
    gives 1 "$2" model add bad.bin x --no-tokenizer
    has err "bad.bin\"*.*$1" "$2: says so"
}
head -c 100000 nano.bin >bad.bin
refuses 'the download did not finish' "a cut download"
echo "version https://git-lfs.github.com/spec/v1" >bad.bin
refuses 'git lfs pull' "a pointer of Git LFS"
: >bad.bin
refuses 'is empty: download it again' "an empty file"
printf 'PK\003\004\024\000\010\010' >bad.bin
refuses 'is a file of PyTorch' "weights of PyTorch"
printf '<!DOCTYPE html><html>' >bad.bin
refuses 'is a web page' "a web page"
printf 'Entry not found, which is more than 28 bytes' >bad.bin
refuses 'is not that of a file of llama2.c\|it is not a file of llama2.c' "text"
find models -name 'new.*' | grep -q . && r=1 || r=0
report $r "nothing is left of those"

# ---- stories260K ------------------------------------------------------------
stories=${APUS_TEST_DATA:-.}/models/stories260K
if [ ! -f "$stories/tok512.bin" ]; then
    echo "# no APUS_TEST_DATA: stories260K is left out"
    finish
fi
mkdir hf
cp "$stories/stories260K.config.json" hf/config.json
cp "$stories/stories260K.safetensors" hf/model.safetensors
"$make" hf stories.bin
gives 0 "with a tokenizer" model add stories.bin --tokenizer \
    "$stories/tok512.bin"
id=$(cat out)
gives 0 "the store has it" model list
has out '^stories[[:space:]]' "under its name"
gives 0 "what it is" model info stories
has out '^tokenizer: SentencePiece BPE$' "has a tokenizer"
cp "$stories/tok512.bin" tokenizer.bin
gives 0 "with tokenizer.bin beside it" model add stories.bin beside
[ "$(cat out)" = "$id" ] && r=0 || r=1
report $r "the same model"
gives 0 "converted to a file" model convert stories.bin -o stories.apus \
    --tokenizer "$stories/tok512.bin"
[ "$(cat out)" = "$id" ] && r=0 || r=1
report $r "the same model"
cut -c 1-7 tokenizer.bin >other
gives 1 "a damaged tokenizer" model add stories.bin x --tokenizer other
has err '"other": ' "is named"

for text in "Once upon a time" "Lily  and Tom"; do
    echo "{\"custom_id\":\"$text\",\"method\":\"POST\"," \
        "\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"$text\"," \
        "\"max_tokens\":60,\"temperature\":0}}"
done >q.jsonl
gives 0 "it answers" run q.jsonl -m stories.bin -o bin.jsonl
gives 0 "so does the GGUF file" run q.jsonl -m "$stories/stories260K.gguf" \
    -o gguf.jsonl
for f in bin gguf; do
    sed 's/.*"text":"\([^"]*\)".*/\1/' $f.jsonl >$f.texts
done
same bin.texts gguf.texts "the same texts"
[ "$(wc -c <bin.texts)" -gt 100 ] && r=0 || r=1
report $r "$(head -n 1 bin.texts | cut -c 1-50)"
echo 'Lily  and Tom' >text
gives 0 "ids" tokenize text --tokenizer "$stories/tok512.bin"
cp out ids
gives 0 "of the model" tokenize text -m stories
same out ids "the same ids"
finish
