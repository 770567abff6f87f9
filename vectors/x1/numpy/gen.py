"""Make the vectors of X1: gen.py 7 OUTDIR [NAME=MODELDIR,RUNS ...]

Writes OUTDIR/ops.json, rotate.json and caps.json, and a NAME.json of whole runs of each
model.  RUNS is an earlier NAME.json, whose prompts and settings are taken
again.  The numbers come from x1.py; README.md describes the files.
"""
import sys, json, os, hashlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import x1, numpy as np

f32, f64, i64 = (np.float32, np.float64, np.int64)
R = np.random.default_rng(int(sys.argv[1]))
out = sys.argv[2]
os.makedirs(out, exist_ok=True)
cases = []
DT = {
    np.dtype(f32): "f32",
    np.dtype(f64): "f64",
    np.dtype(np.int8): "i8",
    np.dtype(np.int32): "i32",
    np.dtype(i64): "i64",
}


def A(a):
    a = np.ascontiguousarray(a)
    return {
        "dtype": DT[a.dtype],
        "shape": list(a.shape),
        "hex": a.tobytes().hex(),
    }


def case(op, note, i, o):
    cases.append(
        {
            "op": op,
            "note": note,
            "in": {
                k: A(v) if isinstance(v, np.ndarray) else v
                for k, v in i.items()
            },
            "out": {
                k: A(v) if isinstance(v, np.ndarray) else v
                for k, v in o.items()
            },
        }
    )


def rnd(*s, scale=1.0):
    return (R.standard_normal(s) * scale).astype(f32)


def heavy(*s):
    x = rnd(*s)
    x.reshape(-1)[R.integers(0, x.size, max(1, x.size // 50))] *= f32(1000)
    return x


e = np.concatenate(
    [
        np.linspace(-87, 88, 257).astype(f32),
        -np.abs(rnd(64, scale=20)),
        np.array(
            [
                0,
                -0.0,
                -87,
                np.nextafter(f32(-87), f32(-100)),
                -1e30,
                -1e-30,
                88,
                1e-45,
            ],
            f32,
        ),
        np.array([-0.34657359, 0.34657359, -43.5, -104], f32),
    ]
)
case("exp32", "range, ends, zeros", {"x": e}, {"y": x1.exp32(e)})
g = np.concatenate(
    [
        np.linspace(-90, 90, 181).astype(f32),
        rnd(64, scale=4),
        np.array([0, -0.0, 1e-40, -1e-40, 1e30, -1e30], f32),
    ]
)
case("silu", "", {"g": g}, {"y": x1.silu(g)})
Q = [
    ("random", rnd(5, 64)),
    ("outliers", heavy(3, 257)),
    ("zero row", np.zeros((1, 16), f32)),
    ("negative zero", np.full((1, 4), -0.0, f32)),
    ("subnormal", np.array([[1e-45, -1e-45, 0, 3e-40]], f32)),
    (
        "tiny",
        np.array([[2.0 ** (-91), 2.0 ** (-92), 0, -(2.0 ** (-91))]], f32),
    ),
    ("2^-90", np.array([[2.0 ** (-90), -(2.0 ** (-91)), 0, 0]], f32)),
    ("power of two", np.array([[1, -0.5, 0.25, 0.75]], f32)),
    (
        "just under a power",
        np.array([[np.nextafter(f32(2), f32(0)), -1, 0.5, 0.0001]], f32),
    ),
    (
        "ties",
        np.array(
            [[np.nextafter(f32(1), f32(0)), *np.arange(1, 32, 2) / 32768]], f32
        ),
    ),
    (
        "just under 2^40",
        np.array(
            [[np.nextafter(f32(2.0**40), f32(0)), 1, -1000000000.0]], f32
        ),
    ),
]
for n, x in Q:
    q, s = x1.q14(x)
    case("a14", n, {"x": x}, {"q": q.astype(np.int32), "step": s})
    q, s = x1.q8(x)
    case("a8", n, {"x": x}, {"q": q.astype(np.int8), "s": s})
for n, v in (
    ("nan", np.nan),
    ("inf", np.inf),
    ("-inf", -np.inf),
    ("2^40", f32(2.0**40)),
):
    x = rnd(1, 8)
    x[0, 3] = v
    for op in ("a14", "a8"):
        case(op, n, {"x": x}, {"error": "activation out of range"})
for M, N, K, b in (
    (1, 16, 64, 0),
    (3, 17, 172, 1),
    (5, 33, 1000, 0),
    (2, 7, 3, 1),
    (1, 5, 4099, 0),
    (2, 48, 128, 1),
):
    w = R.integers(-127, 128, (N, K)).astype(np.int8)
    sw = np.abs(rnd(N, scale=0.01))
    sw[0] = 0
    bias = rnd(N) if b else None
    x = heavy(M, K)
    i = {"x": x, "w": w, "s_w": sw}
    i.update({"b": bias} if b else {})
    case(
        "linear",
        f"M={M} N={N} K={K}",
        i,
        {"y": x1.linear(x, w.astype(i64), sw, bias)},
    )
for M, N, K, b in ((1, 16, 64, 0), (3, 17, 172, 1), (2, 9, 4099, 0)):
    w = R.integers(-127, 128, (N, K)).astype(np.int8)
    sw = np.abs(rnd(N, scale=0.01))
    bias = rnd(N) if b else None
    x = heavy(M, K)
    x[-1, :] = 0 if M > 1 else x[-1, :]
    i = {"x": x, "w": w, "s_w": sw}
    i.update({"b": bias} if b else {})
    case(
        "linear_a8",
        f"M={M} N={N} K={K}",
        i,
        {"y": x1.linear(x, w.astype(i64), sw, bias, a8=True)},
    )
w = np.full((2, 2048), 127, np.int8)
w[1] = -127
x = np.full((1, 2048), np.nextafter(f32(1), f32(0)), f32)
case(
    "linear",
    "largest sums",
    {"x": x, "w": w, "s_w": np.ones(2, f32)},
    {"y": x1.linear(x, w.astype(i64), np.ones(2, f32))},
)
W = heavy(9, 70)
W[4] = 0
q, s = x1.q8(W)
case("w8", "weight rows", {"W": W}, {"w": q.astype(np.int8), "s_w": s})
for n, x in (
    ("random", rnd(4, 64)),
    ("outliers", heavy(2, 333)),
    ("zero", np.zeros((1, 8), f32)),
    ("small", rnd(2, 40, scale=1e-06)),
):
    gg = rnd(x.shape[1])
    case(
        "rmsnorm",
        n,
        {"x": x, "g": gg, "eps": A(np.array([1e-05], f32))},
        {"y": x1.rmsnorm(x, gg, 1e-05)},
    )
for hd, th in ((8, 10000.0), (64, 500000.0), (128, 1000000.0)):
    inv = np.array(
        [1 / th ** (2 * i / hd) for i in range(hd // 2)], f64
    ).astype(f32)
    pos = np.array([0, 1, 2, 3, 63, 511, 4095, 32767, 131071], np.int32)
    C, S = x1.rope_tables(inv, pos)
    case(
        "rope_table",
        f"head_dim {hd} theta {th:g}",
        {"inv_freq": inv, "pos": pos},
        {"cos": C, "sin": S},
    )
    x = rnd(len(pos), 2, hd)
    case(
        "rope",
        f"head_dim {hd}",
        {"x": x, "cos": C, "sin": S},
        {"y": x1.rope(x, C, S)},
    )


def att(n, q, k, v, sc, cap=None):
    ki, ks = x1.q8(k)
    vi, vs = x1.q8(v)
    i = {
        "q": q,
        "k": ki.astype(np.int8),
        "s_k": ks,
        "v": vi.astype(np.int8),
        "s_v": vs,
        "scale": A(np.array([sc], f32)),
    }
    i.update({"cap": np.array([cap], f32)} if cap else {})
    o = x1.attend(q, ki, ks, vi, vs, f32(sc), cap)
    case("attention", n, i, {"o": o})


for t, hd in (
    (1, 8),
    (2, 32),
    (63, 64),
    (64, 64),
    (65, 64),
    (300, 128),
    (1500, 16),
):
    att(
        f"t={t} hd={hd}",
        rnd(hd, scale=2),
        rnd(t, hd),
        heavy(t, hd),
        1 / np.sqrt(hd),
    )
k = rnd(700, 32, scale=0.3)
v = rnd(700, 32)
v[0] *= f32(0.001)
q = rnd(32)
k[0] = q * f32(3)
att("a sink with a small value", q, k, v, 0.2)
att("values all zero", rnd(16), rnd(9, 16), np.zeros((9, 16), f32), 0.25)
att("tiny values", rnd(16), rnd(5, 16), rnd(5, 16, scale=2.0 ** (-89)), 0.25)
att(
    "long, a sink",
    q,
    np.concatenate([k[:1], rnd(4999, 32, scale=0.05)]),
    np.concatenate([v[:1], rnd(4999, 32)]),
    0.8,
)
att(
    "one key out of 80 counts",
    rnd(16) * f32(30),
    rnd(80, 16) * f32(5),
    rnd(80, 16),
    0.25,
)


def samp(*a, **k):
    i = {}
    t = x1.sample(*a, **k, info=i)
    return {"token": t, **i}


case(
    "philox4x32-10",
    "Random123 known answers",
    {},
    {
        "zero": [f"{v:08x}" for v in x1.philox(0, (0, 0, 0, 0))],
        "ones": [
            f"{v:08x}" for v in x1.philox(2**64 - 1, (2**32 - 1,) * 4)
        ],
    },
)
for V in (16, 512, 5000):
    l = rnd(V, scale=3)
    for kw in (
        dict(temperature=0),
        dict(temperature=1000000),
        dict(temperature=700000, top_p=900000),
        dict(temperature=1300000, top_k=5),
        dict(temperature=10000),
        dict(temperature=100000000, top_k=40, top_p=500000),
        dict(temperature=800000, top_p=1),
        dict(temperature=10000, top_p=999999, top_k=2),
    ):
        for pos in (0, 7, 100000):
            seed = int(R.integers(0, 2**63)) * 2 + pos % 2
            case(
                "sample",
                "",
                {
                    "logits": l,
                    "position": pos,
                    "seed": str(seed),
                    "choice": pos % 3,
                    **{
                        k: v
                        for k, v in {
                            "temperature": 0,
                            "top_k": 0,
                            "top_p": 1000000,
                            **kw,
                        }.items()
                    },
                },
                samp(l, pos, seed, pos % 3, **kw),
            )
l = np.zeros(10, f32)
l[3] = l[7] = 2
l[1] = -0.0
case(
    "sample",
    "equal logits",
    {
        "logits": l,
        "position": 0,
        "seed": "1",
        "choice": 0,
        "temperature": 0,
        "top_k": 0,
        "top_p": 1000000,
    },
    {"token": x1.sample(l, 0)},
)
json.dump(
    {"about": "X1 operators; see README.md", "cases": cases},
    open(out + "/ops.json", "w"),
    separators=(",", ":"),
)
print(len(cases), "cases", os.path.getsize(out + "/ops.json"))
ops, cases = (cases, [])
R = np.random.default_rng([int(sys.argv[1]), 16])
case(
    "signs",
    "d = 300; a smaller d is a prefix",
    {"d": 300},
    {"block": x1.block(300), "signs": x1.signs(300).astype(np.int8)},
)
for d in (7, 40, 56, 576, 1536, 2048, 3072, 8192):
    case("block", "", {"d": d}, {"block": x1.block(d)})


def rotc(n, x, g=None):
    i = {"x": x}
    i.update({} if g is None else {"g": g})
    case("rotate", n, i, {"y": x1.rot(x, g)})


for d in (7, 24, 96, 576, 1280, 2048):
    rotc(f"d={d}", heavy(2, d))
    rotc(f"d={d}, gains", heavy(1, d), 1 + rnd(d, scale=0.3))
wide = lambda *s: (rnd(*s) * np.ldexp(1.0, R.integers(-120, 39, s))).astype(
    f32
)
rotc("wide exponents: sums round", wide(3, 64))
rotc("wide exponents, gains", wide(3, 96), rnd(96))
rotc("subnormals", (rnd(2, 32) * f32(2.0 ** (-140))).astype(f32), None)
rotc(
    "subnormal products",
    (rnd(2, 32) * f32(2.0 ** (-100))).astype(f32),
    (rnd(32) * f32(2.0 ** (-38))).astype(f32),
)
x = rnd(6, 64, scale=2.0 ** (-10))
for k in range(6):
    p = int(R.integers(0, 64)) & ~(1 << k)
    x[k, p] = 2.0**39
    x[k, p + (1 << k)] = -(2.0**39)
rotc("cancellation: the order of the steps", (x * x1.signs(64)).astype(f32))
z = np.zeros((2, 16), f32)
z[1] = -z[1]
rotc("zeros", z)


def near_tie(b, other):
    """A row whose first output changes if the last step is another."""
    c, r = (f64(1) / np.sqrt(f64(b)), np.sqrt(f64(b)))
    while True:
        t = (f64(R.integers(2**23, 2**24)) + 0.5) * 2.0 ** (-20)
        v = t / c
        for s in (np.nextafter(v, 0), v, np.nextafter(v, 99)):
            if f32(s * c) != f32(other(s, c, r)):
                x = np.zeros((1, b), f32)
                sg = x1.signs(b)
                left = s
                for k in range(3):
                    x[0, k] = f32(left)
                    left -= f64(x[0, k])
                x = (x * sg).astype(f32)
                assert left == 0 and x1.rot(x)[0, 0] == f32(s * c)
                return x


for b in (8, 32, 128, 512):
    rotc(
        f"b={b}: times 1/sqrt(b), not divided by sqrt(b)",
        near_tie(b, lambda s, c, r: s / r),
    )
    rotc(
        f"b={b}: one factor at the end, not one a step",
        near_tie(
            b,
            lambda s, c, r, b=b: np.multiply.reduce(
                [s] + [np.sqrt(f64(0.5))] * (b.bit_length() - 1)
            ),
        ),
    )
for d, k in ((24, 5), (96, 7), (160, 3)):
    x = heavy(d, k)
    case(
        "rotate_columns",
        f"o or down, {d} x {k}",
        {"x": x},
        {"y": np.ascontiguousarray(x1.rot(x.T).T)},
    )


def fold(n, x, g):
    y = x1.rot(x, g)
    q, s = x1.q8(y)
    case("rotate_w8", n, {"W": x, "g": g}, {"w": q.astype(np.int8), "s_w": s})


fold("rows of wq or the head", heavy(5, 96), 1 + rnd(96, scale=0.3))
fold(
    "a zero row, a tiny row",
    np.concatenate(
        [
            np.zeros((1, 40), f32),
            np.full((1, 40), f32(2.0 ** (-95))),
            rnd(1, 40),
        ]
    ),
    np.ones(40, f32),
)
json.dump(
    {"about": "X1 rotation; see README.md", "cases": cases},
    open(out + "/rotate.json", "w"),
    separators=(",", ":"),
)
print(len(cases), "cases", os.path.getsize(out + "/rotate.json"))

cases = []
R = np.random.default_rng([int(sys.argv[1]), 32])
for cap in (1, 2.5, 30, 50, np.nextafter(f32(2.0**20), f32(0))):
    x = np.concatenate(
        [
            np.linspace(-5, 5, 101).astype(f32) * f32(cap),
            rnd(64) * f32(cap),
            rnd(16, scale=0.001),
            np.array([0, -0.0, 1e-45, -1e-45, 43.5 * cap, -87 * cap], f32),
            np.array([43.75 * cap, 1e30, -1e30, 2.0**40, 2.0**126], f32),
        ]
    ).astype(f32)
    c = np.array([cap], f32)
    case("soft_cap", "", {"x": x, "cap": c}, {"y": x1.soft_cap(x, f32(cap))})
for t, hd, cap in ((1, 8, 1), (65, 32, 50), (140, 16, 2.5), (20, 128, 30)):
    q, k, v = rnd(hd, scale=9), rnd(t, hd, scale=3), heavy(t, hd)
    att(f"t={t} hd={hd} cap={cap}", q, k, v, 1 / np.sqrt(hd), cap)
k[:] = k[0]
att("all keys the same", q, k, v, 1, 30)
att("scores of zero", q * f32(0), k, v, 1, 30)
json.dump(
    {"about": "X1 soft caps; see README.md", "cases": cases},
    open(out + "/caps.json", "w"),
    separators=(",", ":"),
)
print(len(cases), "cases", os.path.getsize(out + "/caps.json"))
cases = ops


def sha(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()


def prompts(path):
    runs = json.load(open(path))["runs"]
    return [
        {
            "ids": r["prompt"],
            "max_tokens": r["max_tokens"],
            "stop": r["stop"],
            "sampling": dict(r["sampling"]),
        }
        for r in runs
    ]


for arg in sys.argv[3:]:
    name, d = arg.split("=")
    d, pr = d.split(",")
    cf = [
        f
        for f in os.listdir(d)
        if f.endswith("config.json")
        and "token" not in f
        and ("generation" not in f)
    ][0]
    st = [f for f in os.listdir(d) if f.endswith(".safetensors")][0]
    cfg = json.load(open(f"{d}/{cf}"))
    T = x1.safetensors(f"{d}/{st}")
    m = x1.Model(cfg, T)
    runs = []
    for n, p in enumerate(prompts(pr)):
        kw = p.get("sampling", {})
        seed = int(kw.pop("seed", 0))
        m.reset()
        tr = []
        lg = m.forward(np.array(p["ids"]), tr)
        ids = []
        hs = [sha(r) for r in lg]
        rows = [lg[-1]]
        while len(ids) < p["max_tokens"]:
            t = x1.sample(rows[-1], len(p["ids"]) + len(ids), seed, 0, **kw)
            ids.append(t)
            if t in p["stop"] or len(ids) == p["max_tokens"]:
                break
            rows.append(m.forward(np.array([t]))[0])
            hs.append(sha(rows[-1]))
        r = {
            "prompt": p["ids"],
            "max_tokens": p["max_tokens"],
            "stop": p["stop"],
            "sampling": {
                "temperature": 0,
                "top_k": 0,
                "top_p": 1000000,
                **kw,
                "seed": str(seed),
            },
            "tokens": ids,
            "logits_sha256": hs,
            "residual_sha256_after_prompt": [sha(x) for x in tr[:-1]]
            + [sha(tr[-1][-1:])],
        }
        if n == 0:
            r["last_prompt_logits"] = A(lg[-1])
        runs.append(r)
        print(name, n, len(p["ids"]), len(ids), flush=True)
    w = {
        k: {"w": sha(q.astype(np.int8)), "s_w": sha(s)}
        for k, (q, s) in m.W.items()
    }
    json.dump(
        {
            "about": "Whole runs; logits_sha256[i] is the hash of the f32 "
            "logits row after token i of prompt + tokens",
            "source_sha256": hashlib.sha256(
                open(f"{d}/{st}", "rb").read()
            ).hexdigest(),
            "inv_freq": A(m.invs[m.full]),
            "weights_sha256": w,
            "runs": runs,
        },
        open(f"{out}/{name}.json", "w"),
        separators=(",", ":"),
    )
    print(name, os.path.getsize(f"{out}/{name}.json"))
