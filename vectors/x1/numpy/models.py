"""Make the random models of the vectors of X1: models.py OUTDIR [NAME ...]

Writes OUTDIR/NAME with config.json and model.safetensors.
"""
import json, os, struct, sys
import numpy as np

f32 = np.float32

GEMMA2 = {
    "architectures": ["Gemma2ForCausalLM"],
    "model_type": "gemma2",
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 150,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0,
    "hidden_activation": "gelu_pytorch_tanh",
    "sliding_window": 7,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "float16",
    "attention_bias": False,
    "query_pre_attn_scalar": 24,
    "attn_logit_softcapping": 2.5,
    "final_logit_softcapping": 3.0,
}

QWEN3_MOE = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 48,
    "intermediate_size": 96,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 150,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "hidden_act": "silu",
    "num_experts": 7,
    "num_experts_per_tok": 3,
    "norm_topk_prob": True,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "float16",
}


def rows(R, n, k, s):
    return (R.standard_normal((n, k)) * s / k**0.5).astype(f32)


def attention(c, R, T, p):
    d, n = c["hidden_size"], c["head_dim"]
    q, kv = c["num_attention_heads"] * n, c["num_key_value_heads"] * n
    T[p + "self_attn.q_proj.weight"] = rows(R, q, d, 3)
    T[p + "self_attn.k_proj.weight"] = rows(R, kv, d, 3)
    T[p + "self_attn.v_proj.weight"] = rows(R, kv, d, 1)
    T[p + "self_attn.o_proj.weight"] = rows(R, d, q, 1)


def layer(c, R, T, l):
    d, f = c["hidden_size"], c["intermediate_size"]
    p = f"model.layers.{l}."
    for name in (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ):
        gain = (R.standard_normal(d) * 0.2).astype(f32)
        T[p + name + ".weight"] = gain
    attention(c, R, T, p)
    T[p + "mlp.gate_proj.weight"] = rows(R, f, d, 2)
    T[p + "mlp.up_proj.weight"] = rows(R, f, d, 1)
    T[p + "mlp.down_proj.weight"] = rows(R, d, f, 1)


def gemma2():
    R = np.random.default_rng([7, 2])
    c, T = GEMMA2, {}
    T["model.embed_tokens.weight"] = R.standard_normal(
        (c["vocab_size"], c["hidden_size"])
    ).astype(f32)
    for l in range(c["num_hidden_layers"]):
        layer(c, R, T, l)
    T["model.norm.weight"] = np.full(c["hidden_size"], 0.5, f32)
    return c, T


def qwen3_moe(**other):
    R = np.random.default_rng([7, 3])
    c, T = {**QWEN3_MOE, **other}, {}
    d, f, n = c["hidden_size"], c["moe_intermediate_size"], c["head_dim"]
    gain = lambda k: (1 + R.standard_normal(k) * 0.2).astype(f32)
    for name in ("model.embed_tokens", "lm_head"):
        T[name + ".weight"] = R.standard_normal((c["vocab_size"], d))
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        T[p + "input_layernorm.weight"] = gain(d)
        T[p + "post_attention_layernorm.weight"] = gain(d)
        T[p + "self_attn.q_norm.weight"] = gain(n)
        T[p + "self_attn.k_norm.weight"] = gain(n)
        attention(c, R, T, p)
        T[p + "mlp.gate.weight"] = rows(R, c["num_experts"], d, 1)
        for e in range(c["num_experts"]):
            x = f"{p}mlp.experts.{e}."
            T[x + "gate_proj.weight"] = rows(R, f, d, 2)
            T[x + "up_proj.weight"] = rows(R, f, d, 1)
            T[x + "down_proj.weight"] = rows(R, d, f, 1)
    T["model.norm.weight"] = gain(d) * 0.5
    return c, T


def write(out, config, tensors):
    os.makedirs(out, exist_ok=True)
    head, body = {}, b""
    for k in sorted(tensors):
        b = tensors[k].astype(np.float16).tobytes()
        head[k] = {
            "dtype": "F16",
            "shape": list(tensors[k].shape),
            "data_offsets": [len(body), len(body) + len(b)],
        }
        body += b
    h = json.dumps(head, separators=(",", ":")).encode()
    h += b" " * (-len(h) % 8)
    with open(out + "/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(h)) + h + body)
    with open(out + "/config.json", "w") as f:
        json.dump(config, f, indent=1)


made = {
    "tiny-gemma2": gemma2,
    "tiny-qwen3-moe": qwen3_moe,
    "tiny-qwen3-moe-all": lambda: qwen3_moe(
        num_hidden_layers=1, num_experts=4, norm_topk_prob=False
    ),
}
if __name__ == "__main__":
    for name in sys.argv[2:] or made:
        write(f"{sys.argv[1]}/{name}", *made[name]())
