#!/bin/sh
# Log-probabilities of answers: asked for in a line, computed from the exact
# logits, kept in checkpoints, taken over, and verified.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS

"$apus" model add "$top/models/nano" nano >out 2>err
line() { # NAME completions|chat/completions BODY
    printf '{"custom_id":"%s","method":"POST","url":"/v1/%s","body":{%s}}\n' \
        "$1" "$2" "$3"
}
ask='"messages":[{"role":"user","content":"What is 6 + 24?"}],"max_tokens":9'
ask="$ask,\"seed\":5"
{
    line chat chat/completions "$ask,\"logprobs\":true,\"top_logprobs\":20"
    line one chat/completions "$ask,\"logprobs\":true"
    line none chat/completions "$ask,\"logprobs\":false,\"top_logprobs\":0"
    line three completions '"prompt":"What","max_tokens":5,"logprobs":3,"n":2'
    line zero completions '"prompt":"What","max_tokens":5,"logprobs":0'
    line top chat/completions "$ask,\"top_logprobs\":2"
    line many completions '"prompt":"x","logprobs":21'
    line text completions '"prompt":"x","logprobs":"3"'
    line both chat/completions "$ask,\"logprobs\":false,\"top_logprobs\":1"
    line two completions '"prompt":"x","logprobs":2,"top_logprobs":3'
} >ask.jsonl
gives 0 "lines that ask for logprobs" run ask.jsonl -m nano -o answers.jsonl
has answers.jsonl '"custom_id":"many".*"\\"logprobs\\" must be true, false or' \
    "21 are too many"
has answers.jsonl '"custom_id":"text".*"\\"logprobs\\" must be true, false or' \
    "a text is not a number"
has answers.jsonl \
    '"custom_id":"both".*"\\"top_logprobs\\" must be 0 where' \
    "the likeliest need the token's own"
has answers.jsonl '"custom_id":"two".*"\\"top_logprobs\\" is given twice, and' \
    "two numbers that differ"
gives 0 "verify them" verify answers.jsonl --requests ask.jsonl
sed 's/"logprob":-\([0-9]*\)\.\([0-9]*\)7/"logprob":-\1.\28/' answers.jsonl \
    >lie.jsonl
! cmp -s answers.jsonl lie.jsonl
gives 3 "verify another number" verify lie.jsonl --requests ask.jsonl
has out 'logprobs.content' "which is named"

# ---- against an implementation that is not ours -----------------------------
python=
for p in python3 /usr/bin/python3; do
    if "$p" -c 'import json, math' 2>/dev/null; then
        python=$p
        break
    fi
done
cat >check.py <<'PY'
import json, math, struct, sys
run = json.load(open(sys.argv[1]))["runs"][0]
raw = bytes.fromhex(run["last_prompt_logits"]["hex"])
logits = struct.unpack("<%df" % (len(raw) // 4), raw)
total = math.fsum(math.exp(x - max(logits)) for x in logits)
want = [x - max(logits) - math.log(total) for x in logits]
order = sorted(range(len(want)), key=lambda i: (-want[i], i))
answers = [json.loads(l) for l in open("answers.jsonl")]
choices = {a["custom_id"]: a["response"]["body"]["choices"]
           for a in answers if a["response"]}
first = choices["chat"][0]["logprobs"]["content"][0]
token = choices["chat"][0]["apus"]["tokens"][0]
assert token == run["tokens"][0]
assert abs(first["logprob"] - want[token]) < 6e-9, (first, want[token])
assert len(first["top_logprobs"]) == 20
for got, i in zip(first["top_logprobs"], order):
    assert abs(got["logprob"] - want[i]) < 6e-9, (got, want[i])
for name, top in ("chat", 20), ("one", 0), ("top", 2):
    c = choices[name][0]
    content = c["logprobs"]["content"]
    assert c["apus"]["logprobs"] == "outside X1"
    assert len(content) == len(c["apus"]["tokens"])
    assert all(len(t["top_logprobs"]) == top for t in content)
    text = b"".join(bytes(t["bytes"]) for t in content).decode()
    assert text.startswith(c["message"]["content"]), text
    for t in content:
        assert t["token"].encode() == bytes(t["bytes"])
        p = sum(math.exp(o["logprob"]) for o in t["top_logprobs"])
        assert p < 1 + 1e-7
        assert [o["logprob"] for o in t["top_logprobs"]] == sorted(
            (o["logprob"] for o in t["top_logprobs"]), reverse=True)
assert choices["none"][0]["logprobs"] is None
assert "logprobs" not in choices["none"][0]["apus"]
for c in choices["three"]:
    l = c["logprobs"]
    assert "".join(l["tokens"]).startswith(c["text"])
    assert all(3 <= len(t) <= 4 for t in l["top_logprobs"])
    for t, p, all_, at in zip(l["tokens"], l["token_logprobs"],
                              l["top_logprobs"], l["text_offset"]):
        assert all_[t] == p
        assert c["text"].startswith(t, at) or at + len(t) > len(c["text"])
assert choices["zero"][0]["logprobs"]["top_logprobs"] is None
PY
if [ -n "$python" ]; then
    "$python" check.py "$top/vectors/x1/nano.json" >out 2>&1 && r=0 || r=1
    report $r "the numbers that Python computes from the vectors' logits"
else
    skip "the numbers that Python computes" "no python3"
fi

# ---- in a checkpoint --------------------------------------------------------
tab=$(printf '\t')
batch=$(basename spool/done/b* | sed 's/^b//')
gives 0 "verify the checkpoint" verify "$batch" --recompute all
gives 0 "show its part" show spool/done/b"$batch"/part-0000.h5
has out "^logprobs${tab}[1-9]" "how many tokens have them"
id=$(sed -n '1s/.*"batch_req_\([^"]*\)".*/\1/p' answers.jsonl)
gives 0 "show an answer" show spool/done/b"$batch"/part-0000.h5 \
    --request "$id"
has out "^logprobs$tab-0\.[0-9]* -0" "with its logarithms"
gives 0 "export it" export "$batch" -o exported.jsonl
cmp answers.jsonl exported.jsonl >out 2>&1 && r=0 || r=1
report $r "the same lines"
cp spool/done/b*/part-0000.h5 want.h5

# change PATH OFFSET FILE: a byte of a dataset
change() {
    "$python" - "$@" "$(echo spool/done/b*)" <<'PY'
import json, sys
path, offset, file, batch = sys.argv[1:]
for l in open(batch + "/part-0000.idx"):
    d = json.loads(l)
    if d["path"] == path:
        with open(file, "r+b") as f:
            f.seek(d["offset"] + int(offset))
            byte = f.read(1)[0]
            f.seek(d["offset"] + int(offset))
            f.write(bytes([byte ^ 1]))
PY
}
for wrong in "/topk/log_sum 0 1" "/topk/logit 8 3" "/topk/token 4 1" \
    "/topk/top_logit 0 1" "/piece/utf8 0 "; do
    # shellcheck disable=SC2086
    set -- $wrong
    [ -n "$python" ] || break
    cp want.h5 wrong.h5
    chmod u+w wrong.h5
    change "$1" "$2" wrong.h5
    gives 3 "another $1" verify wrong.h5 --trust --recompute all
    has out 'in its topk: ' "which is named"
    [ -z "${3:-}" ] || has out "output token $3, or" "with its place"
done

# one line more: what is there is taken over with its numbers
{
    line new completions '"prompt":"6","max_tokens":3,"logprobs":1'
    cat ask.jsonl
} >more.jsonl
gives 0 "a line more" run more.jsonl -m nano -o more.out
has err ': [67] of 11 lines answered before$' "what is there was taken over"
tail -n +2 more.out | sed 's/,"line":[0-9]*//' >tail.out
sed 's/,"line":[0-9]*//' answers.jsonl >whole.out
cmp tail.out whole.out >out 2>&1 && r=0 || r=1
report $r "the same numbers"

# the same requests without them, then with: those need them computed
rm -rf spool
sed 's/"logprobs":true,"top_logprobs":20/"logprobs":false/' ask.jsonl |
    head -1 >without.jsonl
head -1 ask.jsonl >with.jsonl
gives 0 "a request without" run without.jsonl -m nano -o out.jsonl
gives 0 "the same with" run with.jsonl -m nano -o with.out
! grep -q 'answered before' err && r=0 || r=1
report $r "an answer without them is not taken over"
head -1 answers.jsonl | cmp - with.out >out 2>&1 && r=0 || r=1
report $r "the same answer"

# every answer with them; the same part from the same settings
rm -rf spool
APUS_TENSORS=topk
export APUS_TENSORS
gives 0 "tensors = topk" run without.jsonl -m nano \
    -o out.jsonl
batch=$(basename spool/done/b* | sed 's/^b//')
gives 0 "verify it" verify "$batch" --recompute all
gives 0 "the same with" run with.jsonl -m nano -o again.out
has err ': 1 of 1 line answered before$' "it has them already"
cmp with.out again.out >out 2>&1 && r=0 || r=1
report $r "the same answer, taken over"
unset APUS_TENSORS
rm -rf spool
gives 0 "again" run ask.jsonl -m nano -o answers.jsonl
cmp spool/done/b*/part-0000.h5 want.h5 >out 2>&1 && r=0 || r=1
report $r "the same part"

# a damaged part: numbers that no hash covers are computed again
batch=$(basename spool/done/b* | sed 's/^b//')
chmod u+w spool/done/b"$batch"/part-0000.h5
change /topk/logit 2 spool/done/b"$batch"/part-0000.h5
gives 3 "verify the damaged part" verify "$batch"
gives 0 "repair it" seal --again "$batch"
cmp spool/done/b*/part-0000.h5 want.h5 >out 2>&1 && r=0 || r=1
report $r "the same part as before"
finish
