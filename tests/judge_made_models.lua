-- Of which models a dispute is judged: each limit, and what is past it.
local M = require("judge_made")
local NONE = M.NONE

-- Models with each of the values of a field; f is its name, and then these.
local function fields(f)
    local out = {}
    for i = 2, #f do
        out[i - 1] = { [f[1]] = f[i] }
    end
    return out
end

local function ends(how, list)
    for _, model in ipairs(list) do
        M.game({ model = model }):save(how)
    end
end

local EIGHT = { 1, 2, 3, 4, 5, 6, 7, 299 }

return function ()
    ends("open", { {}, { n_layers = 1 }, { n_layers = 255 }, { dim = 131072 },
        { n_heads = 128, head_dim = 1024 }, { head_dim = 2 },
        { n_heads = 192, n_kv_heads = 192 }, { n_heads = 65, n_kv_heads = 65,
        n_layers = 252 }, { n_vocab = 262144 }, { window = 131072 },
        { n_eos = 8, eos = EIGHT }, { n_eos = 0, eos = {} },
        { ffn_dim = 131072 }, { template = 1048576 } })
    ends("unjudged", { { n_heads = 0 }, { n_heads = 5 }, { n_kv_heads = 0 },
        { n_heads = 0, n_kv_heads = 0 },
        { n_heads = 130, head_dim = 1024 }, { n_heads = 193, n_kv_heads = 193 },
        { n_heads = 65, n_kv_heads = 65, n_layers = 253 },
        { n_vocab = 0, bos = NONE, n_eos = 0, eos = {} },
        { n_eos = 9, eos = EIGHT }, { eos = { 300 } }, { eos = { 2, 5 } },
        { n_eos = 2 }, { template = 1048577 }, { template = 4294967296 } })
    for _, f in ipairs({ { "numerics", 0, 2 }, { "architecture", 0, 2 },
        { "n_layers", 0, 256 }, { "dim", 0, 131073 },
        { "head_dim", 0, 1, 15, 1026 }, { "ffn_dim", 0, 131073 },
        { "n_vocab", 262145 }, { "context", 0, 131073 },
        { "window", 131073 }, { "flags", 24, 32 },
        { "eps", 0x2b7fffff, 0x53800000 }, { "scale", 0, 0x49800000 },
        { "bos", 300 }, { "tokenizer", 67108865, 4294967296 },
        { "n_tensors", 31, 33 } }) do
        ends("unjudged", fields(f))
    end
    for _, f in ipairs({ { "flags", 15, 23 }, { "scale", 1, 0x497fffff },
        { "eps", 0x2b800000, 0x537fffff }, { "bos", 299, NONE },
        { "tokenizer", 67108864 }, { "context", 29 } }) do
        ends("open", fields(f))
    end
end
