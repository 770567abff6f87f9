#!/bin/sh
# contrib/ao/queue.lua in the module that AO runs: every message, every way to
# deceive it from outside, its order, leases and results, its dump, and the
# same bytes from the same messages.  Needs APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"

QUEUE_LUA=$top/contrib/ao/queue.lua
OPTIONS_JSON=$top/tests/data/queue-options.json
MESSAGES_JSON=$top/tests/data/queue-messages.json
DUMP_1=$top/tests/data/queue-dump-1.jsonl
export QUEUE_LUA OPTIONS_JSON MESSAGES_JSON DUMP_1
aos_node queue-test.mjs
