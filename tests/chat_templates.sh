# What 0412 and 0413 share; sourced after tests/scenario.sh.  theirs FILE is to
# render a template over the lines of standard input.
python=/usr/bin/python3
[ -x $python ] || python=python3
[ -n "${APUS_TEST_DATA:-}" ] ||
    { echo "1..0 # SKIP APUS_TEST_DATA is not set"; exit 0; }
[ -x "$build/tests/renderchat" ] ||
    { echo "1..0 # SKIP tests/renderchat is not built"; exit 0; }
lines=$top/tests/data/conversations.jsonl
$python - "$APUS_TEST_DATA/tokenizers/qwen3/qwen3.tokenizer_config.json" \
    >Qwen3.jinja <<'PY'
import json
import sys
sys.stdout.write(json.load(open(sys.argv[1]))["chat_template"])
PY
# none of the published ones takes the parts of a content one by one
cat >Parts.jinja <<'J'
{{- bos_token }}
{%- for m in messages %}
    {{- '<|' + m.role + '|>' }}
    {%- if m['content'] is string %}
        {{- m['content'] | trim }}
    {%- else %}
        {%- for part in m['content'] if part['type'] == 'text' %}
            {{- part.text + ('' if loop.last else '/') }}
        {%- endfor %}
    {%- endif %}
    {{- '<|end|>' }}
{%- endfor %}
J

# compare_all N: each template, and at least N equal texts in all
compare_all() {
    equal=0
    for t in "$APUS_TEST_DATA"/tokenizers/chat_templates/*.jinja Qwen3.jinja \
        Parts.jinja; do
        "$build/tests/renderchat" "$t" <"$lines" >ours 2>err &&
            theirs "$t" <"$lines" >theirs 2>err &&
            $python "$top/tests/render_chat.py" ours theirs >out 2>err &&
            tail -n 1 out | grep -q ' 0 differ$' && r=0 || r=1
        report $r "$(basename "$t" .jinja): $(tail -n 1 out)"
        equal=$((equal + $(tail -n 1 out | cut -d ' ' -f 1)))
    done
    [ "$equal" -ge "$1" ] && r=0 || r=1
    report $r "$equal texts are equal"
}
