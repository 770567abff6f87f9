#!/bin/sh
# Parts of a checkpoint and other programs: the tools of HDF5, h5py and pandas
# read what we write, and we refuse what h5py can put into a file that is none
# of ours.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
part=$(dirname "$apus")/tests/t_checkpoint
python=
for p in python3 /usr/bin/python3; do
    if "$p" -c 'import h5py' >/dev/null 2>&1; then
        python=$p
        break
    fi
done

skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
does() { # NAME COMMAND...
    name=$1
    shift
    "$@" >out 2>err && r=0 || r=1
    report $r "$name"
}

does "a part of 7 rows" "$part" write good.h5 7
does "is read" "$part" read good.h5
cp "$top/tests/data/part-1-kinds.h5" one.h5
does "one of version 1 is read" "$part" read one.h5

# ---- the tools of HDF5 ----------------------------------------------------
if command -v h5ls >/dev/null; then
    does "h5ls lists it" h5ls -r good.h5
    [ "$(wc -l <out)" -lt 45 ] && r=0 || r=1
    report $r "in under 45 lines"
    has out '^/requests/result .*Dataset {7, 240}' "with the result records"
else
    skip "h5ls lists it" "no h5ls"
fi

if [ -z "$python" ]; then
    skip "h5py reads it" "no python3 with h5py"
    finish
fi

# ---- h5py and pandas ------------------------------------------------------
cat >read.py <<'PY'
import h5py
f = h5py.File("good.h5")
i = 0
a, b = f["output/start"][i:i+2]
print(f["output/token"][a:b].tolist(),
      bytes(f["text/utf8"][slice(*f["text/start"][i:i+2])]).decode())
PY
does "three lines of h5py" "$python" read.py
has out '^\[306, 2\]  the$' "print an answer"

cat >attributes.py <<'PY'
import h5py
f = h5py.File("good.h5")
sets = []
f.visititems(lambda name, o: sets.append(o) if hasattr(o, "shape") else None)
bare = [s.name for s in sets if not {"long_name", "units"} <= set(s.attrs)]
print(len(sets), bare, f.attrs["format"].decode(),
      int(f.attrs["format_version"]), f.attrs["numerics"].decode())
finish = f["requests/finish"]
words = finish.attrs["flag_meanings"].decode().split()
print(list(zip(words, finish.attrs["flag_values"].tolist())), finish.dtype)
print(sorted(f.attrs), sorted(f["model"].attrs), sorted(f["requests"].attrs))
print(f["requests/ignore_eos"][:].tolist())
print([s.decode() for s in f["requests/custom_id"][:]])
PY
does "the attributes" "$python" attributes.py
has out '^26 \[\] apus-checkpoint 2 X1$' "every dataset has both"
has out "('context', 3), ('activation_out_of_range', 16)" \
    "and finish what its numbers mean"
has out 'uint32$' "which are integers"
has out "^\['rä-0', 'rä-0', 'rä-1', 'rä-1', '', '', 'rä-3l*'\]$" \
    "the names of the requests are text"
has out "^\['batch_id', 'creator', 'format', 'format_version', 'model_id',\
 'numerics', 'part_root'\] \['hidden_size', 'n_layers', 'vocab_size'\]\
 \['count', 'first'\]$" "the root, the model and the requests have theirs"

# each dataset at its place, without HDF5
"$part" index good.h5 >good.idx
cat >index.py <<'PY'
import json, h5py, numpy
f = h5py.File("good.h5")
n = 0
for line in open("good.idx"):
    x = json.loads(line)
    m = numpy.fromfile("good.h5", x["dtype"], offset=x["offset"],
                       count=int(numpy.prod(x["shape"]))).reshape(x["shape"])
    assert m.nbytes == x["nbytes"] and (m == f[x["path"]][...]).all(), line
    n += 1
print(n, "places")
PY
does "the index against h5py" "$python" index.py
has out '^26 places$' "all of them"

if "$python" -c 'import pandas' >/dev/null 2>&1; then
    cat >table.py <<'PY'
import h5py, pandas
f = h5py.File("good.h5")
t = pandas.DataFrame({k: v[:] for k, v in f["requests"].items()
                      if v.ndim == 1})
print(t.shape, t["finish"].tolist(), t["index"].tolist())
PY
    does "pandas makes a table of it" "$python" table.py
    has out '^(7, 11) \[0, 17, 1, 2, 16, 0, 17\] \[10, 10, 11, 11, 12,' \
        "with every row"
else
    skip "pandas makes a table of it" "no pandas"
fi

# ---- files from others ----------------------------------------------------
# One interpreter makes them all: loading h5py takes longer than any of them.
cat >changes.py <<'PY'
import sys, traceback, h5py, numpy
def put(path, data=None, **more):
    if data is None and "shape" not in more:
        data = f[path][...]
    del f[path]
    return f.create_dataset(path, data=data, **more)
for line in sys.stdin:
    f = h5py.File(line.strip(), "r+", libver="v108")
    try:
        exec(open("change.py").read())
        said = "ok"
    except Exception:
        traceback.print_exc()
        said = "failed"
    f.close()
    print(said, flush=True)
PY
mkfifo names said
"$python" changes.py <names >said 2>change.err &
exec 8>names 9<said
# change NAME [PART]: the part as NAME.h5 after the Python on standard input, in
# which f is the file and put() replaces a dataset.
change() {
    cp "${2:-good.h5}" "$1.h5"
    cat >change.py
    echo "$1.h5" >&8
    read -r answer <&9 && [ "$answer" = ok ] || {
        cp change.err err
        report 1 "h5py makes $1.h5"
    }
}
refused() { # NAME PATTERN
    got=0
    "$part" read "$1.h5" >out 2>err || got=$?
    [ $got -eq 1 ] && grep -q -e "$2" out && r=0 || r=1
    report $r "$1 is refused: $(cat out)"
}
accepted() { # NAME
    does "$1 is read" "$part" read "$1.h5"
}

change same <<'PY'
for path in "prompt/token", "requests/job", "requests/id":
    put(path)
PY
accepted same
change unknown <<'PY'
f["later/value"] = numpy.zeros((3, 4))
f["requests/later"] = "text"
f.attrs["later"] = "more"
PY
accepted unknown
change optional <<'PY'
n = f["output/token"].shape[0]
f["output/logits_sha256"] = numpy.zeros((n, 32), "<u1")
rows = numpy.diff(f["output/start"][:])
rows[1:] = 0
t = int(rows[0])
f["topk/start"] = numpy.concatenate([[0], numpy.cumsum(rows)]).astype("<u8")
f["topk/log_sum"] = numpy.zeros(t, "<f8")
f["topk/logit"] = numpy.zeros(t, "<f4")
f["topk/token"] = numpy.zeros((t, 20), "<i4")
f["topk/top_logit"] = numpy.zeros((t, 20), "<f4")
f["piece/start"] = numpy.array([0, 2, 2, 2, 2, 2, 2, 2], "<u8")
f["piece/token"] = numpy.array([0, 9], "<i4")
f["piece/from"] = numpy.array([0, 1, 4], "<u8")
f["piece/utf8"] = numpy.zeros(4, "<u1")
f["logits/start"] = numpy.array([0, 2, 2, 2, 2, 2, 2, 2], "<u8")
f["logits/value"] = numpy.zeros((2, 32000), "<f4")
f["hidden/start"] = numpy.array([0, 1, 1, 1, 1, 1, 1, 4], "<u8")
f["hidden/value"] = numpy.zeros((4, 3, 6), "<f4")
PY
accepted optional
"$part" index optional.h5 >out 2>err
has out '"/hidden/value","dtype":"<f4","shape":\[4,3,6\]' "and in its index"

change topk <<'PY'
f["topk/token"] = numpy.zeros((3, 20), "<i4")
f["topk/top_logit"] = numpy.zeros((3, 21), "<f4")
PY
refused topk 'top_logit has 21 in axis 1, not 20'
change steps <<'PY'
f["topk/token"] = numpy.zeros((3, 20), "<i4")
f["topk/top_logit"] = numpy.zeros((3, 20), "<f4")
PY
refused steps 'topk/start is missing'
likely() { # NAME ROWS K PIECES ENDS
    change "$1" <<PY
n = $2
f["topk/start"] = numpy.array([0] + 7 * [n], "<u8")
f["topk/log_sum"] = numpy.zeros(n, "<f8")
f["topk/logit"] = numpy.zeros(n, "<f4")
f["topk/token"] = numpy.zeros((n, $3), "<i4")
f["topk/top_logit"] = numpy.zeros((n, $3), "<f4")
pieces = numpy.array([$4], "<i4")
f["piece/start"] = numpy.array([0] + 7 * [len(pieces)], "<u8")
f["piece/token"] = pieces
f["piece/from"] = numpy.array([$5], "<u8")
f["piece/utf8"] = numpy.zeros(4, "<u1")
PY
}
likely count 1 20 '0, 9' '0, 1, 4'
refused count 'topk/start has another number of steps than the row'
likely many 2 21 '0, 9' '0, 1, 4'
refused many 'topk/token has more than 20 a step'
likely pieces "int(f['output/start'][1])" 20 '9, 9' '0, 1, 4'
refused pieces 'ids with bytes do not ascend'
likely ends "int(f['output/start'][1])" 20 '0, 9' '0, 1, 3'
refused ends 'piece/from does not end where its rows end'
change logits <<'PY'
f["logits/start"] = numpy.array([0, 2, 2, 2, 2, 2, 2, 3], "<u8")
f["logits/value"] = numpy.zeros((2, 32000), "<f4")
PY
refused logits 'logits/start does not end'
change levels <<'PY'
f["hidden/value"] = numpy.zeros((4, 4, 6), "<f4")
PY
refused levels 'hidden/value has 4 in axis 1, not 3'

change soft-link <<'PY'
del f["output/token"]
f["output/token"] = h5py.SoftLink("/prompt/token")
PY
refused soft-link 'token is not a hard link'
change soft-group <<'PY'
f.move("prompt", "elsewhere")
f["prompt"] = h5py.SoftLink("/elsewhere")
PY
refused soft-group 'prompt is not a hard link'
change external-link <<'PY'
f["hidden"] = h5py.ExternalLink("good.h5", "/requests")
PY
refused external-link 'hidden is not a hard link'
change table <<'PY'
f.move("stop", "elsewhere")
g = f.create_group("stop")
for k in f["elsewhere"]:
    g[k] = f["elsewhere"][k]
for i in range(9):
    g["x%d" % i] = i
PY
refused table 'does not hold its links itself'
change external <<'PY'
n = f["text/utf8"].shape[0]
put("text/utf8", shape=(n,), dtype="u1", external=[("/etc/hostname", 0, n)])
PY
refused external 'text/utf8 is not contiguous'
change virtual <<'PY'
v = h5py.VirtualLayout((7,), "<u4")
v[:] = h5py.VirtualSource("good.h5", "requests/top_k", (7,))
del f["requests/top_k"]
f.create_virtual_dataset("requests/top_k", v)
PY
refused virtual 'top_k is not contiguous'
change chunked <<'PY'
put("trace/leaf", chunks=True)
PY
refused chunked 'trace/leaf is not contiguous'
change deflate <<'PY'
put("requests/seed", compression="gzip")
PY
refused deflate 'seed is not contiguous'
change variable <<'PY'
put("text/utf8", shape=f["text/utf8"].shape, dtype=h5py.vlen_dtype("u1"))
PY
refused variable 'text/utf8 is of another type'
change wide <<'PY'
put("prompt/token", f["prompt/token"][...].astype("<i8"))
PY
refused wide 'prompt/token is of another type'
change big-endian <<'PY'
put("requests/seed", f["requests/seed"][...].astype(">u8"))
PY
refused big-endian 'seed is of another type'
change enum <<'PY'
put("requests/finish", dtype=h5py.enum_dtype({"x": 0}, "<u4"))
PY
refused enum 'finish is of another type'
change one-integer one.h5 <<'PY'
put("requests/finish", f["requests/finish"][...].astype("<u4"))
PY
refused one-integer 'finish is of another type'
change one-empty one.h5 <<'PY'
for k in "from", "utf8", "start":
    put("stop/" + k, f["stop/" + k][...] * 0)
del f["stop/utf8"]
PY
refused one-empty 'stop/utf8 is missing'
change no-stops <<'PY'
put("stop/start", f["stop/start"][...] * 0)
put("stop/from", f["stop/from"][:1] * 0)
del f["stop/utf8"]
PY
accepted no-stops
change no-eos <<'PY'
del f["requests/ignore_eos"]
PY
refused no-eos 'requests/ignore_eos is missing'
change lonely <<'PY'
del f["trace/start"]
PY
refused lonely 'trace/start is missing'
text='h5py.string_dtype("utf-8", 120)'
change no-names <<'PY'
del f["requests/custom_id"]
PY
accepted no-names
change long-name <<PY
put("requests/custom_id", f["requests/custom_id"][...].astype(
    h5py.string_dtype("utf-8", 513)))
PY
refused long-name 'custom_id has strings of no such length'
change variable-name <<PY
put("requests/custom_id", ["a"] * 7, dtype=h5py.string_dtype())
PY
refused variable-name 'custom_id is of another type'
change ascii-name <<PY
put("requests/custom_id", f["requests/custom_id"][...].astype("S120"))
PY
refused ascii-name 'custom_id is of another type'
change gap <<PY
put("requests/custom_id", numpy.array([b"a", b"b\0c"] + [b""] * 5,
    "S120").astype($text))
PY
refused gap 'goes on after its end'
change no-text <<PY
put("requests/custom_id", numpy.array([b"a\xff"] * 7, "S120").astype($text))
PY
refused no-text 'is not UTF-8'
change fewer-names <<PY
put("requests/custom_id", numpy.array([b"a"] * 6, "S120").astype($text))
PY
refused fewer-names 'custom_id has 6 in axis 0, not 7'
change long-id <<'PY'
put("requests/id", f["requests/id"][...].astype("S44"))
PY
refused long-id 'id is of another type'
change rank <<'PY'
put("output/token", f["output/token"][...].reshape(-1, 1))
PY
refused rank 'output/token is of another rank'
change scalar <<'PY'
put("prompt/token", numpy.int32(7))
PY
refused scalar 'prompt/token is of another rank'
change width <<'PY'
put("requests/job", f["requests/job"][:, :151])
PY
refused width 'job has 151 in axis 1, not 152'
change short <<'PY'
put("requests/top_p", f["requests/top_p"][:6])
PY
refused short 'top_p has 6 in axis 0, not 7'
change no-start <<'PY'
put("text/start", f["text/start"][:7])
PY
refused no-start 'text/start has 7 in axis 0, not 8'
change empty <<'PY'
for path in "stop/from", "stop/utf8", "stop/start":
    put(path, f[path][:0])
PY
refused empty 'stop/start has 0'
change missing <<'PY'
del f["stop/from"]
PY
refused missing 'stop/from is missing'
change no-group <<'PY'
del f["prompt"]
f["prompt"] = numpy.zeros(3)
PY
refused no-group 'prompt/start is missing'
change cycle <<'PY'
del f["prompt"]
f["prompt"] = f["/"]
PY
refused cycle 'prompt/start is missing'
change no-leaves <<'PY'
del f["trace"]
PY
accepted no-leaves
change bomb <<'PY'
put("text/utf8", shape=(1 << 50,), dtype="u1")
PY
refused bomb 'text/utf8 '
change rows <<'PY'
put("prompt/start", f["prompt/start"][...] + 1)
PY
refused rows 'prompt/start does not ascend from 0'
change back <<'PY'
s = f["text/start"][...]
s[3] = 0
put("text/start", s)
PY
refused back 'text/start does not ascend'
change end <<'PY'
put("text/utf8", numpy.append(f["text/utf8"][...], [7]).astype("u1"))
PY
refused end 'text/start does not end'
change stops <<'PY'
put("stop/from", numpy.array([0] + [65 * i for i in range(1, 20)], "<u8"))
put("stop/utf8", numpy.ones(65 * 19, "u1"))
put("stop/start", numpy.array([0] + [19] * 7, "<u8"))
PY
refused stops 'too many for one row'
change stop-length <<'PY'
put("stop/from", numpy.array([0, 65], "<u8"))
put("stop/utf8", numpy.ones(65, "u1"))
put("stop/start", numpy.array([0] + [1] * 7, "<u8"))
PY
refused stop-length 'no such length'
change order <<'PY'
put("requests/index", f["requests/index"][...][::-1])
PY
refused order 'not in order'
change many <<'PY'
for i in range(40):
    f["x%d" % i] = i
PY
refused many 'more than 64 objects'
change version <<'PY'
f.attrs["format_version"] = numpy.uint32(3)
PY
refused version 'of version 3; versions 1 to 2 can be read'
change version-0 <<'PY'
f.attrs["format_version"] = numpy.uint32(0)
PY
refused version-0 'of version 0'
change format <<'PY'
f.attrs["format"] = numpy.bytes_(b"other")
PY
refused format 'does not say'
change variable-text <<'PY'
f.attrs["format"] = "apus-checkpoint"
PY
refused variable-text 'does not say'
change numerics <<'PY'
f.attrs["numerics"] = numpy.bytes_(b"X2")
PY
refused numerics 'numerics'
change attribute <<'PY'
f.attrs["model_id"] = numpy.zeros(33, "u1")
PY
refused attribute 'attribute'
change no-attribute <<'PY'
del f["requests"].attrs["count"]
PY
refused no-attribute 'attribute'
change root-attributes <<'PY'
g = f["model"]
for k in list(g.attrs):
    f.attrs[k] = g.attrs[k]
    del g.attrs[k]
PY
refused root-attributes 'attribute'
change no-model <<'PY'
del f["model"]
PY
refused no-model 'attribute'
change other-model <<'PY'
f.attrs["model_id"] = numpy.zeros(32, "u1")
PY
refused other-model 'another model'

cat >others.py <<'PY'
import h5py
f = h5py.File("good.h5")
for name, more in ("earliest", {}), ("block", {"userblock_size": 512}):
    g = h5py.File(name + ".h5", "w", **more)
    for k in f:
        f.copy(k, g)
    for k in f.attrs:
        g.attrs[k] = f.attrs[k]
    g.close()
PY
"$python" others.py
refused earliest 'does not begin as one'
refused block 'does not begin as one'

exec 8>&- 9<&-
finish
