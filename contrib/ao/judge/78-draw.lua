local lib = ApusQueue
local judge = lib.judge
local u32, NONE, committed = judge.u32, judge.NONE, judge.committed
local ROW, MILLION = 2.0 ^ 41, 1000000
local LIMIT, U32 = 9007199254740992, 4294967295

-- ---- statement 16: a draw ----

-- Return a * b as two words, without a product of 2^53 or more.
local function product(a, b)
    local low = (a & 65535) * b
    local high = (a >> 16) * b
    local sum = (high & 65535) * 65536 + low
    return (high >> 16) + (sum >> 32), sum & U32
end

-- Return the 63 random bits for the token at a position (Philox4x32-10).
local function draw_bits(j, position)
    local a, b, c, d = position, 0, j.choice, 0x73616d70
    local low, high = j.seed_low, j.seed_high
    for _ = 1, 10 do
        local h0, l0 = product(0xd2511f53, a)
        local h1, l1 = product(0xcd9e8d57, c)
        a, b, c, d = h1 ~ b ~ low, l1, h0 ~ d ~ high, l0
        low = low + 0x9e3779b9 & U32
        high = high + 0xbb67ae85 & U32
    end
    return b * 2147483648 + (a >> 1)
end

-- Return whether a token is at or before the cut, in the order (weight
-- descending, id ascending).
local function keeps(cut_weight, cut_id, weight, id)
    return weight > cut_weight or (weight == cut_weight and id <= cut_id)
end

local function claims(p)
    local c, k = p.c, {}
    for _, name in ipairs({ "wk", "idk", "wp", "idp", "W", "W'", "draw",
        "before" }) do
        k[name] = judge.scalar(c, name)
    end
    k.max = committed(p, judge.scalar(c, "mx"), ROW)
    k.t = judge.f32((c.j.temperature + 0.0) / 1e6)
    k.next = u32(c.state.leaf, 8)
    return k
end

local function weight(p, k, bits)
    local l = committed(p, bits, ROW) + 0.0
    if l > k.max then
        p.fault = true -- mx is not the maximum
        return 0
    end
    return judge.draw_weight(l, k.max, k.t)
end

-- Return the weight of one id; an id outside the vocabulary is a fault.
local function weight_of(p, k, id)
    if id >= p.c.m.n_vocab then
        p.fault = true
        return 0
    end
    local s = judge.open_vector(p, "logits", 4 * id, 4 * id + 4)
    return weight(p, k, u32(s, 0))
end

local function term_good(p, k)
    local c = p.c
    local sums, first = c.state.sums, 256 * c.state.place.part
    local n = c.m.n_vocab - first < 256 and c.m.n_vocab - first or 256
    local s = judge.open_vector(p, "logits", 4 * first, 4 * (first + n))
    local sum = { 0, 0, 0, 0 }
    for i = 0, n - 1 do
        local w, id = weight(p, k, u32(s, 4 * i)), first + i
        if keeps(k.wk, k.idk, w, id) then
            sum[1], sum[2] = sum[1] + 1, sum[2] + w
            if keeps(k.wp, k.idp, w, id) then
                sum[3] = sum[3] + w
                sum[4] = sum[4] + (id < k.next and w or 0)
            end
        end
    end
    local at = 32 * (c.state.place.part - sums.first)
    for i = 1, 4 do
        if sum[i] ~= judge.i64(sums.bytes, at + 8 * i - 8) then
            return false
        end
    end
    return true
end

-- Return whether the cuts of top_k and top_p are right.
local function cuts_good(p, k, n_kept)
    local j, n = p.c.j, p.c.m.n_vocab
    local good = k.wk == 0 and k.idk == n - 1
    if j.top_k > 0 and j.top_k < n then
        good = weight_of(p, k, k.idk) == k.wk and n_kept == j.top_k
    end
    if j.top_p >= MILLION then
        return good and k.wp == k.wk and k.idp == k.idk
    end
    local rest = k.W % MILLION * j.top_p
    local enough = k.W // MILLION * j.top_p + (rest + MILLION - 1) // MILLION
    local same = weight_of(p, k, k.idp) == k.wp
    return good and same and keeps(k.wk, k.idk, k.wp, k.idp) and
        k["W'"] >= enough and k["W'"] >= k.wp and k["W'"] - k.wp < enough
end

local function total_good(p, k)
    local c, sum = p.c, { 0, 0, 0, 0 }
    local sums, kept = c.state.sums, k["W'"]
    for i = 0, 4 * sums.n - 1 do
        sum[i % 4 + 1] = sum[i % 4 + 1] + judge.i64(sums.bytes, 8 * i)
    end
    if k.W < 0 or k.W >= LIMIT or kept <= 0 or kept >= LIMIT then
        p.fault = true -- the greatest logit alone weighs 2^30
        return false
    end
    local good = cuts_good(p, k, sum[1])
    local w = weight_of(p, k, k.next)
    return good and sum[2] == k.W and sum[3] == kept and
        sum[4] == k.before and
        k.draw == draw_bits(c.j, c.position + 1) % kept and
        keeps(k.wp, k.idp, w, k.next) and k.before >= 0 and
        k.before <= k.draw and k.draw < k.before + w
end

judge.statements[16] = function (p)
    local k = claims(p)
    if p.c.state.place.part == NONE then
        return total_good(p, k)
    end
    return term_good(p, k)
end
