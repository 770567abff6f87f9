-- The judge of disputes (doc/dispute.md): a library of functions of bytes,
-- without messages, clock or money.  It is part of the queue's code, or runs
-- alone after contrib/ao/queue/05-sha256.lua.
local lib = ApusQueue
lib.judge = {}
local judge = lib.judge
local floor = math.floor

-- ---- bytes ----
-- Offsets start at 0, as in the formats.

function judge.u32(s, at)
    local a, b, c, d = s:byte(at + 1, at + 4)
    return a + b * 256 + c * 65536 + d * 16777216
end

function judge.i32(s, at)
    local v = judge.u32(s, at)
    return v < 2147483648 and v or v - 4294967296
end

function judge.i64(s, at)
    return judge.u32(s, at) + judge.i32(s, at + 4) * 4294967296
end

function judge.i8(s, at)
    local v = s:byte(at + 1)
    return v < 128 and v or v - 256
end

function judge.i16(s, at)
    local a, b = s:byte(at + 1, at + 2)
    local v = a + b * 256
    return v < 32768 and v or v - 65536
end

function judge.put_u32(v)
    return string.char(v & 255, v >> 8 & 255, v >> 16 & 255, v >> 24 & 255)
end

-- Return n bytes from an offset.
function judge.part(s, at, n)
    return s:sub(at + 1, at + n)
end

-- ---- binary32 in doubles ----
-- A double result of + - * / sqrt on binary32 operands, rounded once to
-- binary32, equals binary32 arithmetic.  Infinity and NaN do not occur: numbers
-- from outside are bounded before use.

local POW = {}
do
    local up, down = 1.0, 1.0
    for e = 0, 300 do
        POW[e], POW[-e] = up, down
        up, down = up * 2.0, down * 0.5
    end
end
judge.POW = POW

local ROUND = 6755399441055744.0 -- 1.5 * 2^52

-- Round to the nearest integer, ties to even; |x| must be below 2^51.
local function rint(x)
    return (x + ROUND) - ROUND
end
judge.rint = rint

-- Return floor(log2 a) of a magnitude, at least -126.
local function exponent(a)
    local low, high = -126, 127
    if a < POW[-125] then
        return -126
    end
    while low < high do
        local mid = (low + high + 1) // 2
        if a >= POW[mid] then
            low = mid
        else
            high = mid - 1
        end
    end
    return low
end

local function f32(x)
    if x == 0.0 then
        return x
    end
    local ulp = POW[exponent(x < 0 and -x or x) - 23]
    local r = ((x / ulp) + ROUND) - ROUND
    if r == 0.0 then
        return x < 0 and -0.0 or 0.0
    end
    return r * ulp
end
judge.f32 = f32

-- Return the number with these 32 bits, which must be finite.
local function float(bits)
    local sign = bits >= 2147483648
    local e, m = bits >> 23 & 255, bits & 8388607
    local v = e == 0 and m * POW[-149] or (m + 8388608) * POW[e - 150]
    return sign and -v or v + 0.0
end
judge.float = float

-- Return the bits of a binary32.
function judge.bits(v)
    local sign = 0
    if v < 0 or (v == 0 and tostring(v):sub(1, 1) == "-") then
        sign, v = 2147483648, -v
    end
    if v == 0 then
        return sign
    end
    local e = exponent(v)
    local m = floor(v / POW[e - 23])
    if m < 8388608 then
        return sign + m
    end
    return sign + (e + 126) * 8388608 + m
end

-- ---- X1, one element at a time (doc/numerics.md) ----

-- Return the A14 exponent; with the limit -97, that of s_v.
function judge.exponent(v, least)
    local e = exponent(v < 0 and -v or v) + 1
    return e > least and e or least
end

function judge.a14(v, e)
    return floor(rint(f32(v * POW[14 - e])))
end

function judge.a8_scale(most)
    most = most < 0 and -most or most
    return most < POW[-90] and 0.0 or f32(most / 127.0)
end

function judge.a8(v, most)
    most = most < 0 and -most or most
    if most < POW[-90] then
        return 0
    end
    return floor(rint(f32(v * f32(127.0 / most))))
end

function judge.inv(squares, e, n, eps)
    local step = POW[e - 14]
    local ms = (squares + 0.0) * (step * step) / (n + 0.0)
    return f32(1.0 / math.sqrt(ms + eps))
end

-- Return the output of a linear, given its exact sum.
function judge.linear(acc, scale, step)
    return f32(f32(f32(acc + 0.0) * scale) * step)
end

local L, H, J = float(0x3fb8aa3b), float(0x3f318000), float(0xb95e8083)
local C = { float(0x39506967), float(0x3ab743ce), float(0x3c088908),
    float(0x3d2aa9c1), float(0x3e2aaaaa), float(0x3f000000) }

local function exp32(x)
    if x < -87.0 then
        return 0.0
    end
    local n = rint(f32(x * L))
    local r = f32(f32(x - f32(n * H)) - f32(n * J))
    local p = C[1]
    for i = 2, 6 do
        p = f32(f32(p * r) + C[i])
    end
    p = f32(f32(p * f32(r * r)) + r)
    return f32(f32(p + 1.0) * POW[floor(n)])
end
judge.exp32 = exp32

function judge.silu(g)
    local x = -g < 88.0 and -g or 88.0
    return f32(g / f32(1.0 + exp32(x)))
end

local TURNS = 6.36619772367581382433e-1
local SIN, COS = {}, {}
do
    -- 1/3!, 1/5! .. 1/15! and 1/2! .. 1/16!, each from one division
    local f = 1.0
    for k = 2, 16 do
        f = f * k
        if k % 2 == 0 then
            COS[k // 2] = (k % 4 == 2 and -1.0 or 1.0) / f
        else
            SIN[k // 2] = (k % 4 == 3 and -1.0 or 1.0) / f
        end
    end
end
-- pi/2 in two parts: 0x1.921fb544p+0 and 0x1.0b4611a626331p-34
local P1 = 6746518852.0 * POW[-32]
local P2 = 4701928774853425.0 * POW[-86]

local function horner(z, c, n)
    local p = c[n]
    for i = n - 1, 1, -1 do
        p = p * z + c[i]
    end
    return p
end

-- Return cos and sin of a position for one frequency.
function judge.turn(position, freq)
    local t = position * freq
    local n = rint(t * TURNS)
    local r = (t - n * P1) - n * P2
    local z = r * r
    local s, c = f32(r + r * (z * horner(z, SIN, 7))),
        f32(1.0 + z * horner(z, COS, 8))
    local quadrant = floor(n) % 4
    if quadrant == 0 then
        return c, s
    elseif quadrant == 1 then
        return -s, c
    elseif quadrant == 2 then
        return -c, -s
    end
    return s, -c
end

-- Return the contribution of a key to Z, and its weight u; m is the greatest
-- score, ev the exponent of the greatest s_v.
function judge.z_term(score, m)
    return floor(rint(f32(exp32(f32(score - m)) * 16777216.0)))
end

function judge.u_term(score, m, s_v, ev)
    local u = rint(f32(f32(exp32(f32(score - m)) * s_v) * POW[21 - ev]))
    return u < 2097151.0 and floor(u) or 2097151
end

-- Return the weight of a logit in a draw.
function judge.draw_weight(l, max, t)
    local p = exp32(f32(f32(l - max) / t))
    return floor(rint(f32(p * 1073741824.0)))
end
