local lib = ApusQueue
local U32, sha256 = lib.U32, lib.sha256

-- ---- numbers and roots of records: proof.md section 1 ----------------------

-- The u32 at an offset of a record.
local function u32(s, at)
    local a, b, c, d = s:byte(at + 1, at + 4)
    return a | b << 8 | c << 16 | d << 24
end

local function put_u32(n)
    return string.char(n & 255, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255)
end

-- The eight bytes of a number in decimal, which is below 2^64.
local function put_u64(digits)
    local low, high = 0, 0
    for i = 1, #digits do
        low = low * 10 + digits:byte(i) - 48
        high = high * 10 + (low >> 32)
        low = low & U32
    end
    return put_u32(low) .. put_u32(high)
end

-- The root over a list of texts, as leaves in their order.
local function mth(list)
    local function root(from, n)
        if n == 1 then
            return sha256("\0" .. list[from])
        end
        local k = 1
        while 2 * k < n do
            k = 2 * k
        end
        return sha256("\1" .. root(from, k) .. root(from + k, n - k))
    end
    return #list > 0 and root(1, #list) or sha256("")
end

-- The root of bytes, in pieces of 1024.
local function blob(s)
    local list = {}
    for at = 1, #s, 1024 do
        list[#list + 1] = s:sub(at, at + 1023)
    end
    return mth(list)
end

-- ---- for the files after this one -------------------------------------------

lib.u32, lib.put_u32, lib.put_u64, lib.mth = u32, put_u32, put_u64, mth
lib.blob = blob
