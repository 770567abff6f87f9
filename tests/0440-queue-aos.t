#!/bin/sh
# contrib/ao/queue.lua in the module that AO runs: its loader, a message of each
# kind, answers, disputes, and the same bytes from the same messages.  With
# APUS_LONG also every way to deceive it, its order, leases and dump, which
# 0443 tries each time in plain Lua.  Needs APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"

QUEUE_LUA=$top/contrib/ao/queue.lua
OPTIONS_JSON=$top/tests/data/queue-options.json
MESSAGES_JSON=$top/tests/data/queue-messages.json
DUMP_1=$top/tests/data/queue-dump-1.jsonl
export QUEUE_LUA OPTIONS_JSON MESSAGES_JSON DUMP_1
# shellcheck disable=SC2046
aos_node queue-test.mjs $([ -n "${APUS_LONG:-}" ] ||
    echo loader commands same bytes leases results files faults turns)
