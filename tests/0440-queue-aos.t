#!/bin/sh
# contrib/ao/queue.lua in the module that AO runs: every message, every way to
# deceive it from outside, its order, leases and results, its dump, and the
# same bytes from the same messages.  Needs node 20, npm and its registry.
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"

QUEUE_LUA=$top/contrib/ao/queue.lua
OPTIONS_JSON=$top/tests/data/queue-options.json
MESSAGES_JSON=$top/tests/data/queue-messages.json
export QUEUE_LUA OPTIONS_JSON MESSAGES_JSON
aos_node queue-test.mjs
