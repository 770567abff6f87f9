#!/bin/sh
# Ids against the tokenizers library (tests/tokenizers-peer): tokenizer.json
# files of many forms that it trains itself, nano's, and Qwen 3's where it is,
# over random texts of characters that Unicode 15.0.0 assigns.
# APUS_SEED is another seed, APUS_LONG=1 gives 20,000 texts a file instead of
# 2,000.  Needs APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/npm.sh"
npm=$build/tests/npm-tokenizers
npm_install "$npm" "$top/tests/tokenizers-peer/package.json"
. "$top/tests/scenario.sh"
# modules are found beside the script alone
cp "$top/tests/tokenizers-peer/encode.mjs" "$npm/encode.mjs"
encodelines=$build/tests/encodelines

texts=2000
[ -z "${APUS_LONG:-}" ] || texts=20000
"$encodelines" --random "${APUS_SEED:-1}" "$texts" '<l>' '<r>' '<w>' zq '<s>' \
    'café' '<unk>' >lines
mkdir forms
node "$npm/encode.mjs" make forms "$top/NEWS" >err 2>&1 && r=0 || r=1
report $r "the library trains tokenizers"
cp "$top/models/nano/tokenizer.json" forms/nano.json
qwen=${APUS_TEST_DATA:-none}/tokenizers/qwen3/qwen3.tokenizer.json
[ ! -f "$qwen" ] || cp "$qwen" forms/qwen3.json

for form in forms/*.json; do
    name=${form#forms/}
    node "$npm/encode.mjs" "$form" <lines >theirs 2>>err || :
    "$encodelines" "$form" <lines >ours 2>>err || :
    [ -s ours ] && cmp -s ours theirs && r=0 || r=1
    report $r "${name%.json}: $texts texts have the library's ids"
    [ $r = 0 ] || paste lines theirs ours | awk -F '\t' '$2 != $3' |
        head -n 3 | sed 's/^/# /'
done
finish
