"""X1 in NumPy, written from doc/numerics.md: a second implementation.

The vectors beside it are made with it.  Integers travel as float64, exact
below 2^53, so that BLAS does the sums; every rounding to float32 is explicit.
"""
import json, struct, math, hashlib
import numpy as np

f32, f64, i64, u32 = (np.float32, np.float64, np.int64, np.uint32)


class RangeError(Exception):
    pass


def bits(x):
    return np.ascontiguousarray(x, f32).view(u32)


LIMIT = 1400897536


def amax(x, where="row"):
    m = (bits(x) & u32(2147483647)).max(-1)
    if (m >= LIMIT).any():
        raise RangeError(where)
    return np.asarray(m).astype(u32).view(f32)


def expo(a, least=-112):
    return np.maximum((bits(a) >> u32(23)).astype(np.int32) - 126, least)


def pow2(n):
    return ((np.asarray(n, np.int32) + 127).astype(u32) << u32(23)).view(f32)


def q14(x, where="row"):
    """rows of float32 -> integers |q| <= 2^14 and a power-of-two step"""
    x = np.asarray(x, f32)
    e = expo(amax(x, where))
    q = np.rint(x * pow2(14 - e)[..., None])
    return (q.astype(i64), pow2(e - 14))


def slices14(q):
    hi = q + 128 >> 8
    return (hi, q - 256 * hi)


def q8(x, where="row"):
    x = np.asarray(x, f32)
    m = amax(x, where)
    z = m < f32(2.0 ** (-90))
    s = np.where(z, f32(0), m / f32(127)).astype(f32)
    r = (f32(127) / np.where(z, f32(1), m)).astype(f32)
    q = np.where(z[..., None], f32(0), np.rint(x * r[..., None]))
    return (q.astype(i64), s)


def isum(a, b):
    """exact integer product a @ b.T"""
    r = a.astype(f64) @ b.astype(f64).T
    return r.astype(i64)


def tof32(n):
    assert abs(n).max(initial=0) < 2**53
    return n.astype(f32)


def linear(x, w, sw, b=None, where="linear", a8=False):
    q, st = q8(x, where) if a8 else q14(x, where)
    y = tof32(isum(q, w)) * sw[None, :] * st[:, None]
    return y if b is None else y + b[None, :]


def rmsnorm(x, g, eps):
    q, st = q14(x, "norm")
    S = (q * q).sum(-1)
    ms = S.astype(f64) * (st.astype(f64) * st.astype(f64)) / f64(x.shape[-1])
    inv = (f64(1) / np.sqrt(ms + f64(f32(eps)))).astype(f32)
    return (x * inv[..., None] * g).astype(f32)


def hx(h):
    return np.array([int(h, 16)], u32).view(f32)[0]


L_, H_, J_ = (hx("3fb8aa3b"), hx("3f318000"), hx("b95e8083"))
EC = [
    hx(v)
    for v in "39506967 3ab743ce 3c088908 3d2aa9c1 3e2aaaaa 3f000000".split()
]


def exp32(x):
    x = np.asarray(x, f32)
    dead = x < f32(-87)
    y = np.where(dead, f32(-87), x)
    n = np.rint(y * L_)
    r = y - n * H_ - n * J_
    p = np.full_like(r, EC[0])
    for c in EC[1:]:
        p = p * r + c
    v = (p * (r * r) + r + f32(1)) * pow2(n.astype(np.int32))
    return np.where(dead, f32(0), v).astype(f32)


def silu(g):
    return (g / (f32(1) + exp32(np.minimum(-g, f32(88))))).astype(f32)


def gelu(g):
    w = (g + g * (g * g * f32(0.044715))) * f32(1.5957691216057308)
    return (g / (f32(1) + exp32(np.clip(-w, f32(-88), f32(88))))).astype(f32)


def soft_cap(x, cap):
    """cap * tanh(x / cap); x as it is without a cap"""
    if not cap:
        return x
    e = exp32(-(np.abs(x) * (f32(2) / f32(cap))))
    y = f32(cap) * ((f32(1) - e) / (f32(1) + e))
    return np.copysign(y, x).astype(f32)


P1, P2 = (
    float.fromhex("0x1.921fb544p+0"),
    float.fromhex("0x1.0b4611a626331p-34"),
)
SC = [f64((-1) ** k) / f64(math.factorial(2 * k + 1)) for k in range(7, 0, -1)]
CC = [f64((-1) ** k) / f64(math.factorial(2 * k)) for k in range(8, 0, -1)]


def sincos(t):
    t = np.asarray(t, f64)
    n = np.rint(t * float.fromhex("0x1.45f306dc9c883p-1"))
    r = t - n * P1 - n * P2
    z = r * r
    s = np.full_like(r, SC[0])
    c = np.full_like(r, CC[0])
    for k in SC[1:]:
        s = s * z + k
    for k in CC[1:]:
        c = c * z + k
    s = r + r * (z * s)
    c = f64(1) + z * c
    j = n.astype(i64) & 3
    return (
        np.choose(j, [s, c, -s, -c]).astype(f32),
        np.choose(j, [c, -s, -c, s]).astype(f32),
    )


def rope_tables(inv_freq, pos):
    S, C = sincos(
        np.asarray(pos, f64)[:, None] * inv_freq.astype(f64)[None, :]
    )
    return (C, S)


def rope(x, C, S):
    h = x.shape[-1] // 2
    a, b = (x[..., :h], x[..., h:])
    C, S = (C[:, None], S[:, None])
    return np.concatenate([a * C - b * S, b * C + a * S], -1).astype(f32)


def attend(q, ki, ks, vi, vs, scale, cap=None):
    """One query row of a head over its keys: ki, vi ints, ks, vs f32."""
    qi, st = q14(q[None], "query")
    c = st[0] * scale
    sc = soft_cap(tof32(isum(qi, ki))[0] * ks * c, cap) + f32(0)
    p = exp32(sc - sc.max())
    Z = np.rint(p * f32(2**24)).astype(i64).sum()
    ev = expo(vs.max(), -97).item()
    u = np.minimum(np.rint(p * vs * pow2(21 - ev)).astype(i64), 2**21 - 1)
    num = isum(u[None], vi.T)[0]
    return (
        tof32(num) * (pow2(ev - 21) / (tof32(Z) * f32(2.0 ** (-24))))
    ).astype(f32)


def safetensors(path):
    b = open(path, "rb").read()
    n = struct.unpack("<Q", b[:8])[0]
    h = json.loads(b[8 : 8 + n])
    T = {}
    for k, v in h.items():
        if k == "__metadata__":
            continue
        s, e = v["data_offsets"]
        raw = b[8 + n + s : 8 + n + e]
        if v["dtype"] == "BF16":
            a = (np.frombuffer(raw, np.uint16).astype(u32) << 16).view(f32)
        elif v["dtype"] == "F16":
            a = np.frombuffer(raw, np.float16).astype(f32)
        else:
            a = np.frombuffer(raw, f32)
        T[k] = a.reshape(v["shape"]).copy()
    return T


def block(d):
    return min(d & -d, 1024)


def signs(d):
    w = [
        v
        for j in range(-(-d // 128))
        for v in philox(0, (j, 0, 0, 1919906913))
    ]
    return np.array(
        [1 - 2 * (w[i >> 5] >> (i & 31) & 1) for i in range(d)], f64
    )


def rot(x, g=None):
    """Rotate each row (last axis), times the gains g of the norm before it.

    binary64 between the two roundings to binary32.
    """
    d = x.shape[-1]
    b = block(d)
    y = x.astype(f64) if g is None else x.astype(f64) * g.astype(f64)
    y = (y * signs(d)).reshape(-1, b)
    h = 1
    while h < b:
        a, c = y.reshape(-1, b // (2 * h), 2, h).transpose(2, 0, 1, 3)
        y = np.stack([a + c, a - c], 2).reshape(-1, b)
        h *= 2
    return (y * (f64(1) / np.sqrt(f64(b)))).astype(f32).reshape(x.shape)


def rotated(cfg, T):
    T = dict(T)
    E = T["model.embed_tokens.weight"]
    one = np.ones(E.shape[1], f32)
    T["lm_head.weight"] = rot(
        T.get("lm_head.weight", E), T["model.norm.weight"]
    )
    T["model.embed_tokens.weight"] = rot(E)
    T["model.norm.weight"] = one
    for l in range(cfg["num_hidden_layers"]):
        p = f"model.layers.{l}."
        for norm, names in (
            (
                "input_layernorm",
                "self_attn.q_proj self_attn.k_proj self_attn.v_proj",
            ),
            ("post_attention_layernorm", "mlp.gate_proj mlp.up_proj"),
        ):
            for n in names.split():
                T[p + n + ".weight"] = rot(
                    T[p + n + ".weight"], T[p + norm + ".weight"]
                )
            T[p + norm + ".weight"] = one
        for n in ("self_attn.o_proj", "mlp.down_proj"):
            T[p + n + ".weight"] = np.ascontiguousarray(
                rot(T[p + n + ".weight"].T).T
            )
    return T


class Model:
    def __init__(s, cfg, T):
        if "model.embed_tokens.weight" not in T:
            T["model.embed_tokens.weight"] = T.pop("lm_head.weight")
        s.a8r = cfg.get("apus_activations") == "A8R"
        if s.a8r:
            T = rotated(cfg, T)
        s.gemma = (
            cfg["model_type"] in ("gemma2", "gemma3_text")
            if "model_type" in cfg
            else False
        )
        if s.gemma:
            E = f32(math.sqrt(cfg["hidden_size"]))
            T = {
                k: (v + f32(1)).astype(f32) if "norm" in k else v
                for k, v in T.items()
            }
            T["model.embed_tokens.weight"] = (
                T["model.embed_tokens.weight"] * E
            ).astype(f32)
            T["model.norm.weight"] = (
                T["model.norm.weight"] * (f32(1) / E)
            ).astype(f32)
        s.c = cfg
        s.T = T
        s.W = {k: q8(v, k) for k, v in T.items() if v.ndim == 2}
        s.H = cfg["num_attention_heads"]
        s.KV = cfg.get("num_key_value_heads") or s.H
        s.D = cfg["hidden_size"]
        s.hd = cfg.get("head_dim") or s.D // s.H
        s.L = cfg["num_hidden_layers"]
        s.eps = cfg["rms_norm_eps"]
        th = cfg.get("rope_theta") or 10000.0
        s.win = cfg.get("sliding_window") or 0
        s.a8 = cfg.get("apus_activations") == "A8"
        s.inv = np.array(
            [1.0 / th ** (2 * i / s.hd) for i in range(s.hd // 2)], f64
        ).astype(f32)
        s.scale = f32(1.0 / math.sqrt(s.hd))
        s.layers()
        s.reset()

    def split(s, n, names, sizes):
        a = 0
        for m, k in zip(names, sizes):
            t = n.rsplit(".", 2)[0] + f".{m}.weight"
            s.T[t] = s.T[n][a : a + k]
            s.W[t] = tuple((v[a : a + k] for v in s.W[n]))
            a += k

    def turn(s, x, C, S):
        """The first s.rot channels as pairs, half of s.rot apart or adjacent."""
        r, rest = (x[..., : s.rot], x[..., s.rot :])
        if s.c["model_type"] not in ("glm", "glm4"):
            return np.concatenate([rope(r, C, S), rest], -1)
        y = rope(np.concatenate([r[..., ::2], r[..., 1::2]], -1), C, S)
        z = np.empty_like(r)
        z[..., ::2] = y[..., : s.rot // 2]
        z[..., 1::2] = y[..., s.rot // 2 :]
        return np.concatenate([z, rest], -1)

    def layers(s):
        """Window and rope of each layer; without rope it is not turned."""
        c = s.c
        L = range(s.L)
        types = c.get("layer_types")
        if "no_rope_layer_interval" in c or "no_rope_layers" in c:
            s.turned = [
                bool(v)
                for v in c.get("no_rope_layers")
                or [(l + 1) % c["no_rope_layer_interval"] for l in L]
            ]
        else:
            s.turned = [True for l in L]
        if types is None and c.get("use_sliding_window"):
            types = [
                "sliding_attention"
                if l >= c["max_window_layers"]
                else "full_attention"
                for l in L
            ]
        s.rot = int(
            s.hd
            * c.get(
                "partial_rotary_factor",
                0.5 if c["model_type"] in ("glm", "glm4") else 1,
            )
        )
        s.inv = np.array(
            [
                1.0 / c["rope_theta"] ** (2 * i / s.rot)
                for i in range(s.rot // 2)
            ],
            f64,
        ).astype(f32)
        if "mlp.gate_up_proj.weight" in "".join(s.T):
            for n in [n for n in s.T if n.endswith("gate_up_proj.weight")]:
                s.split(n, ("gate_proj", "up_proj"), (len(s.T[n]) // 2,) * 2)
            for n in [n for n in s.T if n.endswith("qkv_proj.weight")]:
                s.split(
                    n,
                    ("q_proj", "k_proj", "v_proj"),
                    (s.H * s.hd, s.KV * s.hd, s.KV * s.hd),
                )
        s.after = c["model_type"] in ("olmo2", "olmo3")
        s.pre, s.posts = (
            "post_attention_layernorm.weight",
            ("post_self_attn_layernorm.weight", "post_mlp_layernorm.weight"),
        )
        if s.after:
            s.pre, s.posts = (
                None,
                (
                    "post_attention_layernorm.weight",
                    "post_feedforward_layernorm.weight",
                ),
            )
        s.full = -1
        s.invs = [s.inv for l in L]
        s.scales = [s.scale for l in L]
        y = c.get("rope_scaling")
        if s.gemma:
            s.pre, s.posts = (
                "pre_feedforward_layernorm.weight",
                (
                    "post_attention_layernorm.weight",
                    "post_feedforward_layernorm.weight",
                ),
            )
            if types is None:
                types = [
                    "full_attention"
                    if (l + 1) % c.get("sliding_window_pattern", 2) == 0
                    else "sliding_attention"
                    for l in L
                ]
            s.full = types.index("full_attention")
            f = y["factor"] if y else 1.0
            th = c["rope_theta"]
            s.scales = [f32(1 / math.sqrt(c["query_pre_attn_scalar"]))] * s.L
            s.invs = [
                (
                    1
                    / (f if t == "full_attention" else 1.0)
                    / (
                        th
                        if t == "full_attention"
                        else c.get("rope_local_base_freq", th)
                    )
                    ** (2 * np.arange(s.hd // 2) / s.hd)
                ).astype(f32)
                for t in types
            ]
        if y and y["rope_type"] == "yarn":
            i = np.arange(s.hd // 2)
            w = (
                lambda turns: s.hd
                * math.log(
                    y["original_max_position_embeddings"]
                    / (turns * 2 * math.pi)
                )
                / (2 * math.log(c["rope_theta"]))
            )
            lo, hi = (
                max(math.floor(w(y.get("beta_fast", 32))), 0),
                min(math.ceil(w(y.get("beta_slow", 1))), s.hd - 1),
            )
            ramp = np.clip(
                (i - lo) / ((hi if hi != lo else hi + 0.001) - lo), 0, 1
            )
            plain = 1 / c["rope_theta"] ** (2 * i / s.hd)
            inv = (plain / y["factor"] * ramp + plain * (1 - ramp)).astype(f32)
            a = y.get("attention_factor") or 0.1 * math.log(y["factor"]) + 1
            for l in L:
                if types[l] == "full_attention":
                    s.invs[l] = inv
                    s.scales[l] = f32(1 / math.sqrt(s.hd) * (a * a))
        s.wins = [
            s.win if types is None or types[l] == "sliding_attention" else 0
            for l in L
        ]

    def reset(s):
        s.cache = [dict(k=[], ks=[], v=[], vs=[]) for _ in range(s.L)]
        s.n = 0

    def lin(s, x, name):
        w, sw = s.W[name + ".weight"]
        return linear(
            x,
            w,
            sw,
            s.T.get(name + ".bias"),
            name,
            s.a8
            or (
                s.a8r
                and name.endswith(
                    (
                        "q_proj",
                        "k_proj",
                        "v_proj",
                        "o_proj",
                        "gate_proj",
                        "up_proj",
                    )
                )
            ),
        )

    def experts(s, h, p):
        """the sum of what the experts of each row give, ascending"""
        logits = s.lin(h, p + "gate") + f32(0)
        y = np.zeros_like(h)
        for i in range(len(h)):
            l = logits[i]
            n = s.c["num_experts_per_tok"]
            order = np.lexsort((np.arange(len(l)), -l))[:n]
            share = exp32(l - l.max())
            over = order if s.c["norm_topk_prob"] else slice(None)
            Z = np.rint(share[over] * f32(2**24)).astype(i64).sum()
            share = share / (tof32(Z) * f32(2.0 ** (-24)))
            for e in np.sort(order):
                q = p + f"experts.{e}."
                r = h[i : i + 1]
                g = silu(s.lin(r, q + "gate_proj")) * s.lin(r, q + "up_proj")
                y[i] = y[i] + share[e] * s.lin(g, q + "down_proj")[0]
        return y

    def forward(s, ids, trace=None):
        """appends ids to the cache, returns logits [len(ids), V]"""
        t = len(ids)
        we, se = s.W["model.embed_tokens.weight"]
        x = (we[ids].astype(f32) * se[ids][:, None]).astype(f32)
        G = s.H // s.KV
        post = (
            lambda y, n: rmsnorm(y, s.T[p + n], s.eps)
            if p + n in s.T and n != s.pre
            else y
        )
        for l in range(s.L):
            p = f"model.layers.{l}."
            h = (
                x
                if s.after
                else rmsnorm(x, s.T[p + "input_layernorm.weight"], s.eps)
            )
            C, S = rope_tables(s.invs[l], np.arange(s.n, s.n + t))
            q = s.lin(h, p + "self_attn.q_proj").reshape(t, s.H, s.hd)
            k = s.lin(h, p + "self_attn.k_proj").reshape(t, s.KV, s.hd)
            v = s.lin(h, p + "self_attn.v_proj").reshape(t, s.KV, s.hd)
            if s.after:
                q, k = (
                    rmsnorm(
                        v_.reshape(t, -1),
                        s.T[p + f"self_attn.{n_}_norm.weight"],
                        s.eps,
                    ).reshape(v_.shape)
                    for v_, n_ in ((q, "q"), (k, "k"))
                )
            elif p + "self_attn.q_norm.weight" in s.T:
                q = rmsnorm(
                    q.reshape(-1, s.hd),
                    s.T[p + "self_attn.q_norm.weight"],
                    s.eps,
                ).reshape(q.shape)
                k = rmsnorm(
                    k.reshape(-1, s.hd),
                    s.T[p + "self_attn.k_norm.weight"],
                    s.eps,
                ).reshape(k.shape)
            if s.turned[l]:
                q, k = (s.turn(q, C, S), s.turn(k, C, S))
            ki, ks = q8(k, "key")
            vi, vs = q8(v, "value")
            K = s.cache[l]
            K["k"].append(ki)
            K["ks"].append(ks)
            K["v"].append(vi)
            K["vs"].append(vs)
            KI, KS, VI, VS = (
                np.concatenate(K[n_]) for n_ in ("k", "ks", "v", "vs")
            )
            o = np.zeros((t, s.H, s.hd), f32)
            for i in range(t):
                e = s.n + i + 1
                w = s.wins[l]
                b = max(0, e - w) if w else 0
                for j in range(s.H):
                    g = j // G
                    o[i, j] = attend(
                        q[i, j],
                        KI[b:e, g],
                        KS[b:e, g],
                        VI[b:e, g],
                        VS[b:e, g],
                        s.scales[l],
                        s.c.get("attn_logit_softcapping"),
                    )
            x = x + post(
                s.lin(o.reshape(t, -1), p + "self_attn.o_proj"), s.posts[0]
            )
            h = x if s.after else rmsnorm(x, s.T[p + s.pre], s.eps)
            if p + "mlp.gate.weight" in s.T:
                x = x + s.experts(h, p + "mlp.")
                if trace is not None:
                    trace.append(x.copy())
                continue
            x = x + post(
                s.lin(
                    (
                        (gelu if s.gemma else silu)(
                            s.lin(h, p + "mlp.gate_proj")
                        )
                        * s.lin(h, p + "mlp.up_proj")
                    ).astype(f32),
                    p + "mlp.down_proj",
                ),
                s.posts[1],
            )
            if trace is not None:
                trace.append(x.copy())
        s.n += t
        hd = "lm_head" if "lm_head.weight" in s.T else "model.embed_tokens"
        y = s.lin(rmsnorm(x, s.T["model.norm.weight"], s.eps), hd)
        return soft_cap(y, s.c.get("final_logit_softcapping"))


def philox(key, ctr):
    k0, k1 = (key & 4294967295, key >> 32 & 4294967295)
    c = list(ctr)
    for _ in range(10):
        a, b = (3528531795 * c[0], 3449720151 * c[2])
        c = [
            b >> 32 ^ c[1] ^ k0,
            b & 4294967295,
            a >> 32 ^ c[3] ^ k1,
            a & 4294967295,
        ]
        k0 = k0 + 2654435769 & 4294967295
        k1 = k1 + 3144134277 & 4294967295
    return c


def sample(
    logits,
    position,
    seed=0,
    choice=0,
    temperature=0,
    top_k=0,
    top_p=1000000,
    info=None,
):
    """temperature and top_p in millionths"""
    amax(logits[None], "logits")
    l = logits + f32(0)
    if temperature == 0:
        return int(np.argmax(l))
    assert 10000 <= temperature <= 100000000
    T = f32(f64(temperature) / 1000000.0)
    w = np.rint(exp32((l - l.max()) / T) * f32(2**30)).astype(i64)
    order = np.lexsort((np.arange(len(l)), -w))
    kept = order[:top_k] if top_k > 0 else order
    c = np.cumsum(w[kept])
    W = int(c[-1])
    if top_p < 1000000:
        thr = W // 10**6 * top_p + (W % 10**6 * top_p + 999999) // 10**6
        kept = kept[: int(np.argmax(c >= thr)) + 1]
    kept = np.sort(kept)
    c = np.cumsum(w[kept])
    r = philox(seed, (position, 0, choice, 1935764848))
    d = ((r[0] | r[1] << 32) >> 1) % int(c[-1])
    if info is not None:
        info.update(W=str(W), kept=len(kept), W2=str(int(c[-1])), r=str(d))
    return int(kept[int(np.argmax(c > d))])


def h(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()
