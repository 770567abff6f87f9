-- All files of the queue share one table, which is global so that the parts
-- (doc/queue.md, "The code") find it.
ApusQueue = {}
local lib = ApusQueue

-- ---- SHA-256 (FIPS 180-4) --------------------------------------------------
-- By integers below 2^53 and the bit operators alone, so that other Luas than
-- PUC's agree; `.crypto` of AOS is not everywhere.

local K = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
    0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
    0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
    0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
}
local START = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
}
local U32 = 0xffffffff

local function word(x)
    return string.char(x >> 24 & 255, x >> 16 & 255, x >> 8 & 255, x & 255)
end

-- The function that takes the block at byte `at` of s into the eight words of
-- h.  It is written out, round by round, since a loop costs as much as what it
-- does: no word moves from one variable to another.
-- A word twice, shifted, is a word turned in its low half; what stands above
-- that does no harm, for sums are cut to their low half.
local function written_out()
    local out = { "local byte = string.byte\n" ..
        "return function(h, s, at)\nlocal x, y, z, u\n" ..
        "local a, b, c, d = h[1], h[2], h[3], h[4]\n" ..
        "local e, f, g, i = h[5], h[6], h[7], h[8]\nlocal t = b ~ c\n" }
    local function put(text, names)
        text = text:gsub("%u%d?", names):gsub("mask", U32)
        out[#out + 1] = text:gsub("twice", U32 + 2) .. "\n"
    end
    local bytes = {}
    for k = 0, 63 do
        bytes[k + 1] = "b" .. k
    end
    put("local " .. table.concat(bytes, ", ") .. " = byte(s, at, at + 63)", {})
    for j = 0, 15 do
        put("local W = ((A * 256 + B) * 256 + C) * 256 + D", {
            A = bytes[4 * j + 1], B = bytes[4 * j + 2], C = bytes[4 * j + 3],
            D = bytes[4 * j + 4], W = "w" .. j })
    end
    local names, old, new = { "a", "b", "c", "d", "e", "f", "g", "i" }, "t", "u"
    for j = 0, 63 do
        local name = { K = K[j + 1], O = old, N = new }
        for k = 0, 7 do
            name[("ABCDEFGH"):sub(k + 1, k + 1)] = names[(k - j) % 8 + 1]
        end
        for k, after in ipairs({ 0, 1, 9, 14 }) do
            name["W" .. k] = "w" .. (j + after) % 16
        end
        if j >= 16 then
            put("y = W2 * twice\nz = W4 * twice\n" ..
                "W1 = W1 + W3 + (y >> 7 ~ y >> 18 ~ W2 >> 3) + " ..
                "(z >> 17 ~ z >> 19 ~ W4 >> 10) & mask", name)
        end
        put("y = E * twice\n" ..
            "x = H + (y >> 6 ~ y >> 11 ~ y >> 25) + (G ~ E & (F ~ G)) + K + " ..
            "W1\nD = D + x & mask\ny = A * twice\nN = A ~ B\n" ..
            "H = x + (y >> 2 ~ y >> 13 ~ y >> 22) + (B ~ N & O) & mask", name)
        old, new = new, old
    end
    put([[
h[1], h[2], h[3], h[4] = h[1] + a & mask, h[2] + b & mask, h[3] + c & mask,
    h[4] + d & mask
h[5], h[6], h[7], h[8] = h[5] + e & mask, h[6] + f & mask, h[7] + g & mask,
    h[8] + i & mask
end]], {})
    return assert(load(table.concat(out), "=sha256", "t"))()
end
local compress = written_out()

-- The 32 bytes of the digest of a text.
function lib.sha256(s)
    local h, n = { table.unpack(START) }, #s
    s = s .. string.char(128) .. ("\0"):rep((55 - n) % 64) .. word(n >> 29) ..
        word(n << 3 & U32)
    for at = 1, #s, 64 do
        compress(h, s, at)
    end
    for i = 1, 8 do
        h[i] = word(h[i])
    end
    return table.concat(h)
end
