# Parts of a checkpoint of every kind, for tests of what reads them; sourced in
# a scenario, with `set -eu` in force.  $parts has their names; each is NAME.h5
# in the current directory.
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
PYTHONDONTWRITEBYTECODE=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS PYTHONDONTWRITEBYTECODE
"$apus" model add "$top/models/nano" nano >out 2>err
parts="kinds nostop one empty nothing refused bare"

ask() { # NAME BODY: a request
    printf '{"custom_id":"%s","method":"POST","url":"/v1/completions",' "$1"
    printf '"body":{"prompt":"3 + 4 =","max_tokens":9,"seed":"%s"%s}}\n' \
        18446744073709551615 "$2"
}
part() { # NAME SETTING...: of the requests on standard input
    name=$1
    shift
    cat >"$name.jsonl"
    "$apus" run "$name.jsonl" -m nano -o "$name.out" --spool "$name" "$@" \
        >out 2>err || [ $? -eq 4 ]
    cp "$name"/done/b*/part-0000.h5 "$name.h5"
}

{
    ask 'ä' ',"n":3,"temperature":1.5,"stop":["7","\n","ö"]'
    ask plain ',"apus":{"ignore_eos":true,"top_k":3}'
    ask greedy ',"temperature":0'
    echo '{"custom_id":"refused"}'
} | part kinds
{ ask a ''; ask b ''; } | part nostop --tensors none
ask one '' | part one
# the stop is the first thing that is drawn: a text of no bytes
ask none ',"temperature":0,"stop":[" "]' | part empty
printf '{"custom_id":"%s","method":"POST","url":"/v1/completions",%s}\n' \
    nothing '"body":{"prompt":[]}' | part nothing
echo '{"custom_id":"refused"}' | part refused
{ ask a ''; ask b ''; } | part bare --keep-trace roots --custom-ids no
