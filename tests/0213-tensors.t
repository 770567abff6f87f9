#!/bin/sh
# What the setting `tensors` puts into a checkpoint, against the hashes of the
# vectors' runs, read by h5py.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS
python=
for p in python3 /usr/bin/python3; do
    if "$p" -c 'import h5py, numpy' 2>/dev/null; then
        python=$p
        break
    fi
done
"$apus" model add "$top/models/nano" nano >out 2>err
{
    prompt=$(tr -d '\n ' <"$top/vectors/x1/nano.json" |
        sed 's/.*"runs":\[{"prompt":\(\[[0-9,]*\]\).*/\1/')
    printf '{"custom_id":"run","method":"POST","url":"/v1/completions",'
    printf '"body":{"prompt":%s,"max_tokens":48,"temperature":0}}\n' "$prompt"
    printf '{"custom_id":"two","method":"POST","url":"/v1/completions",'
    printf '"body":{"prompt":"6 +","max_tokens":3,"n":2,"logprobs":1}}\n'
} >q.jsonl
gives 0 "without" run q.jsonl -m nano -o want.jsonl
cat >check.py <<'PY'
import hashlib, json, sys
import h5py, numpy
run = json.load(open(sys.argv[1]))["runs"][0]
f = h5py.File(sys.argv[2])
def sha(a):
    return hashlib.sha256(numpy.ascontiguousarray(a, "<f4").tobytes())
n = len(run["prompt"])
tokens = f["output/token"][:f["output/start"][1]]
assert list(tokens) == run["tokens"], tokens
if sys.argv[3] == "logits":
    assert f["logits/value"].shape == (len(tokens) + 6, 512)
    start = f["logits/start"][:]
    assert list(start) == [0, len(tokens), len(tokens) + 3, len(tokens) + 6]
    want = run["logits_sha256"][n - 1:]
    for row, sha256 in zip(f["logits/value"][:len(tokens)], want):
        assert sha(row).hexdigest() == sha256
    assert list(f["logits/value"][:].argmax(1)[:len(tokens)]) == list(tokens)
else:
    start = f["hidden/start"][:]
    assert list(start) == list(f["trace/start"][:])
    hidden = f["hidden/value"][:start[1]]
    assert hidden.shape[1:] == (7, 128)
    for layer, sha256 in enumerate(run["residual_sha256_after_prompt"]):
        rows = hidden[:n, layer + 1] if layer < 5 else hidden[n - 1, 6]
        assert sha(rows).hexdigest() == sha256, layer
    assert not hidden[:n - 1, 6].any()
    for i in range(3):
        last = f["hidden/value"][int(start[i + 1]) - 1, 6]
        assert (last == f["last/value"][i]).all()
PY
# One bit of the first row of /$2/value changes, in bad.h5.
change() { # PART NAME
    cp "$1" bad.h5
    at=$(sed -n 's|.*"path":"/'"$2"'/value".*"offset":\([0-9]*\).*|\1|p' \
        "${1%.h5}.idx")
    byte=$(od -An -tu1 -j "$at" -N 1 bad.h5 | tr -d ' ')
    printf "\\$(printf %03o $((byte ^ 1)))" |
        dd of=bad.h5 bs=1 seek="$at" conv=notrunc 2>dd.err
}
for tensors in hidden logits; do
    rm -rf spool
    APUS_TENSORS=$tensors
    export APUS_TENSORS
    gives 0 "tensors = $tensors" run q.jsonl -m nano -o got.jsonl
    cmp want.jsonl got.jsonl >out 2>&1 && r=0 || r=1
    report $r "$tensors: the same answers"
    part=$(echo spool/done/b*/part-0000.h5)
    cp "$part" $tensors.h5
    batch=$(basename spool/done/b* | sed 's/^b//')
    gives 0 "$tensors: verify" verify "$batch"
    has out "^open.*the rows of /$tensors" "$tensors: which says what is open"
    gives 0 "$tensors: verify --recompute" verify "$batch" --recompute all
    grep -q "the rows of" out && r=1 || r=0
    report $r "$tensors: nothing is open then"
    change "$part" $tensors
    gives 3 "$tensors: a bit is changed" verify bad.h5 --trust \
        --recompute all
    has out "^WRONG.*line 1.*differs first at .* in its $tensors:" \
        "$tensors: its request, position and part are named"
    gives 0 "$tensors: which no hash covers" verify bad.h5 --trust
    if [ -n "$python" ]; then
        "$python" check.py "$top/vectors/x1/nano.json" "$part" $tensors \
            >out 2>&1 && r=0 || r=1
        report $r "$tensors: those of the vectors"
    else
        skip "$tensors: those of the vectors" "no python3 with h5py"
    fi
    gives 0 "$tensors: seal again" seal --again "$batch"
    rm -rf spool
    APUS_BATCH=1 gives 0 "$tensors: one at a time" run q.jsonl -m nano \
        -o got.jsonl
    cmp spool/done/b*/part-0000.h5 $tensors.h5 >out 2>&1 && r=0 || r=1
    report $r "$tensors: the same part"
done
finish
