#!/bin/sh
# Published chat templates over a dozen and more conversations: the same text,
# byte by byte, as Python's Jinja in the way that transformers sets it up.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
build=$(dirname "$apus")
. "$top/tests/chat_templates.sh"
$python -c 'import jinja2' 2>/dev/null ||
    { echo "1..0 # SKIP no python3-jinja2"; exit 0; }
theirs() { $python "$top/tests/render_chat.py" "$1"; }
# two ask for what Python's Jinja has not: what a filter gives, as JSON
compare_all 280
finish
