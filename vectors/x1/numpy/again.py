"""Compute vectors of X1 again: again.py OUTDIR FILE ...

Of each FILE (edges.json, gelu.json) the inputs are taken, which were chosen by
hand or by search, and what follows from them is computed by x1.py; OUTDIR/FILE
is then FILE byte for byte, unless the two differ.
"""
import json, os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import x1, numpy as np

DT = {
    "f32": np.float32,
    "f64": np.float64,
    "i8": np.int8,
    "i32": np.int32,
    "i64": np.int64,
}
NAMES = {np.dtype(v): k for k, v in DT.items()}


def read(a):
    if not isinstance(a, dict):
        return a
    b = bytes.fromhex(a["hex"])
    return np.frombuffer(b, DT[a["dtype"]]).reshape(a["shape"])


def written(a):
    if not isinstance(a, np.ndarray):
        return a
    a = np.ascontiguousarray(a)
    return {
        "dtype": NAMES[a.dtype],
        "shape": list(a.shape),
        "hex": a.tobytes().hex(),
    }


def quantised(x, f, q, kind, scale):
    n, s = f(x)
    return {q: n.astype(kind), scale: s}


def linear(i, a8):
    w = i["w"].astype(np.int64)
    return {"y": x1.linear(i["x"], w, i["s_w"], i.get("b"), a8=a8)}


def rope_table(i):
    c, s = x1.rope_tables(i["inv_freq"], i["pos"])
    return {"cos": c, "sin": s}


def attention(i):
    k, v = i["k"].astype(np.int64), i["v"].astype(np.int64)
    scale, cap = i["scale"][0], i["cap"][0] if "cap" in i else None
    return {"o": x1.attend(i["q"], k, i["s_k"], v, i["s_v"], scale, cap)}


def sample(i):
    info, i = {}, dict(i)
    seed = int(i.pop("seed"))
    token = x1.sample(i.pop("logits"), seed=seed, info=info, **i)
    return {"token": token, **info}


OPS = {
    "exp32": lambda i: {"y": x1.exp32(i["x"])},
    "silu": lambda i: {"y": x1.silu(i["g"])},
    "gelu": lambda i: {"y": x1.gelu(i["g"]) * i["u"]},
    "a14": lambda i: quantised(i["x"], x1.q14, "q", np.int32, "step"),
    "a8": lambda i: quantised(i["x"], x1.q8, "q", np.int8, "s"),
    "w8": lambda i: quantised(i["W"], x1.q8, "w", np.int8, "s_w"),
    "linear": lambda i: linear(i, False),
    "linear_a8": lambda i: linear(i, True),
    "rmsnorm": lambda i: {"y": x1.rmsnorm(i["x"], i["g"], i["eps"][0])},
    "rope_table": rope_table,
    "rope": lambda i: {"y": x1.rope(i["x"], i["cos"], i["sin"])},
    "attention": attention,
    "soft_cap": lambda i: {"y": x1.soft_cap(i["x"], i["cap"][0])},
    "sample": sample,
}


def computed(c):
    try:
        out = OPS[c["op"]]({k: read(v) for k, v in c["in"].items()})
    except x1.RangeError:
        return {"error": "activation out of range"}
    return {k: written(v) for k, v in out.items()}


np.seterr(all="ignore")
os.makedirs(sys.argv[1], exist_ok=True)
for path in sys.argv[2:]:
    with open(path) as f:
        d = json.load(f)
    for c in d["cases"]:
        c["out"] = computed(c)
    with open(f"{sys.argv[1]}/{os.path.basename(path)}", "w") as f:
        json.dump(d, f, separators=(",", ":"))
