#!/bin/sh
# apus tokenize, over the tokenizer files that there are: tokenizer.json,
# tokenizer.model with added tokens, tekken.json, tiktoken, vocab.json with
# merges.txt.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS

# NAME IDS ARGUMENTS..: the ids of the text in the file `text`
ids() {
    what=$1
    wanted=$2
    shift 2
    gives 0 "$what" tokenize "$@" text
    [ "$(cat out)" = "$wanted" ] && r=0 || r=1
    report $r "$what: $wanted"
}

# ---- usage -------------------------------------------------------------------
gives 0 "a model" model add "$nano" nano
printf 'What is 6 + 24?' >text
gives 2 "neither a model nor a tokenizer" tokenize text
gives 2 "both" tokenize -m nano --tokenizer "$nano" text
gives 2 "--chat and --decode" tokenize -m nano --chat --decode text
gives 1 "no such model" tokenize -m none text
gives 1 "no such file" tokenize -m nano no-such-file
ids "a text" "320 283 223 24 298 223 20 22 33" -m nano
ids "without the model" "320 283 223 24 298 223 20 22 33" \
    --tokenizer "$nano/tokenizer.json"
cp out coded
gives 0 "and back" tokenize -m nano --decode coded
cmp -s out text && r=0 || r=1
report $r "the same text"
printf '[1, 512]' >coded
gives 1 "an id that there is not" tokenize -m nano --decode coded
has err ' "[^"? ]*" is not an id below 512' "it alone is named"
printf '7 x' >coded
gives 1 "not an id" tokenize -m nano --decode coded
printf '\377' >text
gives 1 "not UTF-8" tokenize -m nano text
printf '' >text
ids "an empty text" "" -m nano
printf '<|im_end|>' >text
gives 0 "a control token in a text" tokenize -m nano text
! grep -qw 2 out && r=0 || r=1
report $r "is text"

# ---- chats -------------------------------------------------------------------
echo '[{"role": "user", "content": "hi"}]' >text
ids "messages" "1 456 201 74 75 2 201 1 455 201" -m nano --chat
echo '{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}' >text
ids "a body" "1 456 201 74 75 2 201 1 455 201" -m nano --chat
mkdir bare
cp "$nano"/tokenizer*.json bare
ids "without weights" "1 456 201 74 75 2 201 1 455 201" --tokenizer bare --chat
gives 1 "no template" tokenize --tokenizer bare/tokenizer.json --chat text
has err 'no chat template: give its directory' "says what to give"
"$(dirname "$apus")/tests/makegguf" "$nano" m.gguf
ids "a GGUF file" "$(
    )$("$apus" tokenize -m m.gguf --chat text 2>>err)" --tokenizer m.gguf --chat
[ -s out ] && r=0 || r=1
report $r "which has them"
echo '{"messages": 7}' >text
gives 1 "no messages" tokenize -m nano --chat text

# ---- ranks -------------------------------------------------------------------
# base64 of the bytes that are given as numbers, and all bytes with a rank
cat >base64.awk <<'A'
function b64(a, b, c, n) {
    s = substr(code, int(a / 4) + 1, 1) \
        substr(code, a % 4 * 16 + int(b / 16) + 1, 1)
    s = s (n > 1 ? substr(code, b % 16 * 4 + int(c / 64) + 1, 1) : "=")
    return s (n > 2 ? substr(code, c % 64 + 1, 1) : "=")
}
BEGIN {
    code = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (i = 0; i < 256; i++)
        print b64(i, 0, 0, 1), i
    print b64(97, 98, 0, 2), 256     # ab
    print b64(98, 99, 0, 2), 257     # bc
    print b64(97, 98, 99, 3), 258    # abc
    print b64(32, 97, 0, 2), 259     # space a
}
A
awk -f base64.awk >ranks
tekken='[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*'
tekken=$tekken'[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+'
tekken=$tekken'|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+'
tekken=$tekken'[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}'
tekken=$tekken'| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+'
tekken=$tekken'|\\s+(?!\\S)|\\s+'
write_tekken() { # SIZE
    printf '{"config":{"pattern":"%s","default_vocab_size":%d,' "$tekken" "$1"
    printf '"default_num_special_tokens":10,"version":"v3"},"vocab":['
    awk '{ printf "%s{\"rank\":%d,\"token_bytes\":\"%s\",\"token_str\":null}",
           (NR > 1 ? "," : ""), $2, $1 }' ranks
    printf ']}'
}
mkdir t
write_tekken 270 >t/tekken.json
printf 'abc ab bca1\303\251' >text
# bos; abc; space, ab; space, bc, a; 1; the bytes of an accented e
ids "tekken.json" "1 268 42 266 42 267 107 59 205 179" --tokenizer t
gives 0 "its special tokens" tokenize --tokenizer t/tekken.json text
write_tekken 268 >t/tekken.json
ids "ranks beyond default_vocab_size" "1 266 109 42 266 42 267 107 59 205 179" \
    --tokenizer t
write_tekken 300 >t/tekken.json
gives 1 "fewer ranks than it says" tokenize --tokenizer t text
write_tekken 270 | sed 's/YWI=/YWI/; s/"rank":258/"rank":257/' >t/tekken.json
gives 1 "a rank twice" tokenize --tokenizer t text
has err 'rank 257 is there twice' "says so"
write_tekken 270 | sed 's/"rank":4,"token_bytes":"B/&*/' >t/tekken.json
gives 1 "not base64" tokenize --tokenizer t text
has err 'rank 4 are not base64' "says so"

mkdir k
{
    cat ranks
    awk 'BEGIN { for (i = 260; i < 128000; i++)
                     printf "eHh4%04d %d\n", i % 10000, i }' |
        awk '{ printf "%s", substr($1, 1, 4)
               n = $2; c = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
               for (k = 0; k < 4; k++) {
                   printf "%s", substr(c, n % 50 + 1, 1)
                   n = int(n / 50)
               }
               printf " %d\n", $2 }'
} >k/tokenizer.model
printf 'abc ab bca1\303\251' >text
ids "ranks as Llama 3 has them" "128000 258 32 256 32 257 97 49 195 169" \
    --tokenizer k
printf '128006 258 128007' >coded
gives 0 "its control tokens" tokenize --tokenizer k --decode coded
[ "$(cat out)" = abc ] && r=0 || r=1
report $r "have no text"
echo '{"add_bos_token": false}' >k/tokenizer_config.json
ids "without bos" "258 32 256 32 257 97 49 195 169" --tokenizer k
cp ranks k/tokenizer.model
gives 1 "another number of ranks" tokenize --tokenizer k text
has err '260 ranks is not known' "says so"

# ---- vocab.json and merges.txt -----------------------------------------------
mkdir v
awk 'BEGIN {
    printf "{\"<|e|>\":0"
    for (i = 97; i <= 122; i++)
        printf ",\"%c\":%d", i, i - 96
    printf ",\"\304\240\":27,\"ab\":28,\"\304\240a\":29,\"model\":30}"
}' >v/vocab.json
printf '#version: 0.2\na b\n\304\240 a\n' >v/merges.txt
printf 'ab ab<|e|>' >text
ids "vocab.json and merges.txt" "28 27 28 5" --tokenizer v
ids "by the name of the file" "28 27 28 5" --tokenizer v/vocab.json
echo '{"<tool>": 31}' >v/added_tokens.json
cat >v/tokenizer_config.json <<J
{"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|e|>",
 "bos_token": "<|e|>", "add_bos_token": true}
J
printf 'ab<tool> ab' >text
ids "added tokens, and bos" "0 28 31 27 28" --tokenizer v
echo '{"tokenizer_class": "XTokenizer"}' >v/tokenizer_config.json
gives 1 "another class" tokenize --tokenizer v text
has err 'tokenizer_class "XTokenizer"' "says so"
rm v/tokenizer_config.json
echo '{"<tool>": 2}' >v/added_tokens.json
gives 1 "an added token with the id of another" tokenize --tokenizer v text

# ---- tokenizer.model with added tokens ---------------------------------------
# a protocol buffer: pieces (field 1) of a text, a score and a type
piece() { # TEXT TYPE
    len=$(printf %s "$1" | wc -c)
    # shellcheck disable=SC2059
    printf "\\n\\$(printf %03o $((len + 9)))\\n\\$(printf %03o "$len")"
    printf '%s\025\0\0\0\0\030' "$1"
    # shellcheck disable=SC2059
    printf "\\$(printf %03o "$2")"
}
meta=$(printf '\342\226\201')
mkdir s
{
    piece '<unk>' 2
    piece '<s>' 3
    piece "$meta" 1
    piece a 1
    piece b 1
    piece ab 1
    printf '\022\002\030\002'             # trainer: BPE
    printf '\032\010\030\001\040\000\050\001\040\000' # normalizer: a space
} >s/tokenizer.model
printf 'ab<tool>b' >text
gives 0 "tokenizer.model" tokenize --tokenizer s text
plain=$(cat out)
case $plain in
'1 2 5 0 '*) r=0 ;;
*) r=1 ;;
esac
report $r "tokenizer.model: $plain"
echo '{"<tool>": 6}' >s/added_tokens.json
ids "with an added token" "1 2 5 6 2 4" --tokenizer s
echo '{"legacy": false}' >s/tokenizer_config.json
ids "its newer form" "1 2 5 6 4" --tokenizer s
cat >s/tokenizer_config.json <<J
{"added_tokens_decoder": {"6": {"content": "<tool>", "special": true},
                          "7": {"content": "<x>", "special": false}}}
J
rm s/added_tokens.json
printf 'ab<tool><x>b' >text
gives 0 "added_tokens_decoder" tokenize --tokenizer s text
grep -qw 7 out && ! grep -qw 6 out && r=0 || r=1
report $r "added_tokens_decoder: what is special is text in a text"
finish
