#!/bin/sh
# Published chat templates as 0412, compared with @huggingface/jinja where that
# renders them.  Needs APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/npm.sh"
npm=$build/tests/npm-jinja
npm_install "$npm" "$top/tests/jinja-peer/package.json"
. "$top/tests/scenario.sh"
. "$top/tests/chat_templates.sh"
# modules are found beside the script alone
cp "$top/tests/jinja-peer/render.mjs" "$npm/render.mjs"
theirs() { node "$npm/render.mjs" "$1"; }
# it writes the date of today, so ours is told that
sed "s/^{/{\"date\":\"$(date +%F)\",/" "$lines" >dated.jsonl
lines=dated.jsonl
compare_all 220
finish
