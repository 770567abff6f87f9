#!/bin/sh
# Where the chat template of a directory comes from, what a request gives to
# it, and which templates are refused when a model is added.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS
cp -r "$top/models/nano" model
chmod -R u+w model

# config TEMPLATE: a tokenizer_config.json with this JSON as chat_template
config() {
    printf '{"bos_token":"<|im_start|>","eos_token":"<|im_end|>",%s}\n' \
        "\"chat_template\":$1" >model/tokenizer_config.json
}

# asks MEMBERS: requests of one line with these members beside the message
asks() {
    printf '{"custom_id":"a","method":"POST","url":%s,"body":{%s%s}}\n' \
        '"/v1/chat/completions"' \
        '"messages":[{"role":"user","content":"hi"}],"max_tokens":1' \
        "${1:+,$1}" >r.jsonl
}

# prompt TEXT NAME: the one prompt that was made is this text's
prompt() {
    "$apus" run r.jsonl -m t --spool s -q -o a.out >out 2>err || :
    id=$(sed -n 's/.*"request_id":"\([^"]*\)".*/\1/p' a.out)
    "$apus" show r.jsonl --spool s --request "${id:-none}" >out 2>>err || :
    grep '^prompt.[0-9]' out >got || :
    printf '{"custom_id":"p","method":"POST","url":"/v1/completions",%s}\n' \
        "\"body\":{\"prompt\":\"$1\",\"max_tokens\":1}" >p.jsonl
    "$apus" run p.jsonl -m t --spool s2 -q -o p.out >out 2>>err || :
    id=$(sed -n 's/.*"request_id":"\([^"]*\)".*/\1/p' p.out)
    "$apus" show p.jsonl --spool s2 --request "${id:-none}" >out 2>>err || :
    grep '^prompt.[0-9]' out >want || :
    [ -s want ] && cmp -s got want && r=0 || r=1
    report $r "$2"
    rm -rf s s2
}

# refused TEXT NAME: the one request is, and its error says so
refused() {
    "$apus" run r.jsonl -m t --spool s -q -o a.out >out 2>err || :
    has a.out "$1" "$2"
    rm -rf s
}

# ---- where it comes from ----------------------------------------------------

config '"C{{ messages[0].content }}"'
gives 0 "a template of tokenizer_config.json" model add model t
asks ''
prompt Chi "it makes the prompt"
printf 'J{{ messages[0].content }}\n' >model/chat_template.jinja
gives 0 "chat_template.jinja beside it" model add model t
has err 'tokenizer_config.json has another' "both are named"
prompt Jhi "the file holds"
mkdir model/additional_chat_templates
printf 'F{{ tools[0].name }}' >model/additional_chat_templates/tool_use.jinja
gives 0 "a file for tools" model add model t
asks '"tools":[{"name":"n"}]'
prompt Fn "it holds where there are tools"
asks ''
prompt Jhi "and only there"
rm -r model/chat_template.jinja model/additional_chat_templates

config '[{"name":"default","template":"  {% if true %}D{% endif %} \n "},
    {"name":"rag","template":"R"},
    {"name":"tool_use","template":"\n {{ tools[0].name }}\n  \n"}]'
gives 0 "a list of templates" model add model t
has err '"rag" is left out' "one that no request can name"
asks '"tools":[]'
prompt 'D \n ' "default, with its blanks"
asks '"tools":[{"name":"n"}]'
prompt '\n n\n  ' "tool_use, with its own"
config '[{"name":"tool_use","template":"T{{ tools[0].name }}"}]'
gives 0 "one for tools alone" model add model t
prompt Tn "is used with tools"
asks ''
refused 'only has a chat template for tools' "without, it says so"

# ---- what a request gives to it ---------------------------------------------

config '"{{ strftime_now(\"%d %b %Y\") if strftime_now is defined else 0 }}"'
gives 0 "a template with a date" model add model t
prompt 0 "its own default"
asks '"apus":{"date":"2026-02-03"}'
prompt '03 Feb 2026' "the date of the request"
config '"{{ \"off\" if enable_thinking is false else \"on\" }}"'
gives 0 "a template with a variable" model add model t
asks '"chat_template_kwargs":{"enable_thinking":false}'
prompt off "the variable of the request"
asks '"chat_template_kwargs":{"enable_thinkin":false}'
refused 'is ..enable_thinking.. meant' "a slip in its name"
asks '"tools":[{"name":"n"}]'
refused 'does not use ..tools' "tools that the template does not look at"

# ---- none at all -----------------------------------------------------------

printf '{"eos_token":"<|im_end|>"}\n' >model/tokenizer_config.json
gives 0 "a tokenizer_config.json without a template" model add model t
asks ''
refused 'has no chat template: give token ids' "it refuses chats"
config 7
gives 0 "a template that is a number" model add model t
has err 'warning: .*chat_template .* neither a text nor a list' "is named"
printf '{"eos_token":"<|im_end|>"}\n' >model/tokenizer_config.json
printf 'J{{ messages[0].content }}\n' >model/chat_template.jinja
gives 0 "a template in the file beside it alone" model add model t
prompt Jhi "makes the prompt"
printf '{"chat_template": "O{{ messages[0].content }}"}' \
    >model/chat_template.json
gives 0 "chat_template.json beside that" model add model t
has err 'chat_template.jinja is .*; chat_template.json has another' "is named"
prompt Jhi "chat_template.jinja holds"
rm model/chat_template.jinja
gives 0 "chat_template.json alone" model add model t
! grep -q chat_template err && r=0 || r=1
report $r "needs no warning"
prompt Ohi "makes the prompt"
config '"C{{ messages[0].content }}"'
gives 0 "chat_template.json and another" model add model t
has err 'tokenizer_config.json is .*; chat_template.json has another' \
    "both are named"
prompt Chi "tokenizer_config.json holds"
printf '{' >model/chat_template.json
gives 1 "chat_template.json that is cut" model add model t
has err 'model/chat_template.json"' "is named"
rm model/chat_template.json

# ---- what is refused --------------------------------------------------------

while read -r name text; do
    config "\"$text\""
    gives 1 "$name" model add model bad
    has err "line 1: .*\"$name\"" "it is named"
done <<'END'
import {% import 'x' as y %}
include {% include 'x' %}
extends {% extends 'x' %}
block {% block x %}{% endblock %}
call {% call x() %}{% endcall %}
do {% do x.append(1) %}
recursive {% for m in messages recursive %}{% endfor %}
urlize {{ messages | urlize }}
callable {{ messages is callable }}
format {{ 'x'.format(1) }}
cycler {{ cycler(1) }}
END
config '"{{ pad_token }}"'
gives 1 "a token that no model file names" model add model bad
has err '"pad_token" is not supported' "it is named"
! grep -q warning err && r=0 || r=1
report $r "without a warning about the end of a turn"
gives 1 "no model was added" model info bad
gives 0 "the model without its template" \
    model add model t --no-chat-template
asks ''
refused 'has no chat template' "refuses chats"
finish
