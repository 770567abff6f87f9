local lib = ApusQueue

-- ---- texts -----------------------------------------------------------------

-- 32 bytes in base64url, in their one spelling: what others decode.
local function is_id(s)
    return type(s) == "string" and #s == 43 and
        not s:find("[^A-Za-z0-9_-]") and
        s:find("[AEIMQUYcgkosw048]$") ~= nil
end

-- The network defines the spelling of senders: base64url, 0x and hexadecimal
-- digits, base58.
local function is_address(s)
    return type(s) == "string" and #s >= 1 and #s <= 64 and
        not s:find("[^A-Za-z0-9_-]")
end

-- UTF-8 without NUL; utf8.len lets surrogates pass.
local function is_text(s, max)
    return type(s) == "string" and #s <= max and utf8.len(s) ~= nil and
        not s:find("\0", 1, true) and not s:find("\xED[\xA0-\xBF]")
end

local function is_plain(s, max)
    return is_text(s, max) and not s:find("[\1-\31\127]")
end

-- An integer from its digits, nil if it is out of bounds.
local function integer(s, min, max)
    if type(s) ~= "string" or #s > 18 or not s:find("^%d+$") or
        s:find("^0.") then
        return nil
    end
    local n = math.tointeger(tonumber(s))
    return n >= min and n <= max and n or nil
end

local function is_amount(s)
    return type(s) == "string" and #s <= 30 and s:find("^%d+$") ~= nil and
        not s:find("^0.")
end

-- Byte order, whatever the locale.
local function before(a, b)
    for i = 1, math.min(#a, #b) do
        local x, y = a:byte(i), b:byte(i)
        if x ~= y then
            return x < y
        end
    end
    return #a < #b
end

local function split(s, mark)
    local list = {}
    for part in (s .. mark):gmatch("([^" .. mark .. "]*)" .. mark) do
        list[#list + 1] = part
    end
    return list
end

-- Ids separated by commas, nil if anything else is among them.
local function id_list(s, max)
    local list = s ~= "" and split(s, ",") or {}
    if #list > max then
        return nil
    end
    for _, id in ipairs(list) do
        if not is_id(id) then
            return nil
        end
    end
    return list
end

local quoted = { ['"'] = '\\"', ["\\"] = "\\\\" }
for i = 0, 31 do
    quoted[string.char(i)] = string.format("\\u%04x", i)
end
quoted["\n"], quoted["\r"], quoted["\t"] = "\\n", "\\r", "\\t"

local function quote(s)
    if s:find('[\0-\31"\\]') then
        s = s:gsub('[\0-\31"\\]', quoted)
    end
    return '"' .. s .. '"'
end

-- A JSON object of strings: name, value, name, value ..
local function object(...)
    local pair, out = { ... }, {}
    for i = 1, #pair, 2 do
        out[#out + 1] = quote(pair[i]) .. ":" .. quote(tostring(pair[i + 1]))
    end
    return "{" .. table.concat(out, ",") .. "}"
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" ..
    "0123456789-_"

local CHAR = {}
for i = 1, #ALPHABET do
    CHAR[i - 1] = ALPHABET:sub(i, i)
end

local function base64url(s)
    local out, n, byte, v = {}, 0, string.byte, CHAR
    for i = 1, #s - 2, 3 do
        local a, b, c = byte(s, i, i + 2)
        n = n + 1
        out[n] = v[a >> 2] .. v[a << 4 & 48 | b >> 4] ..
            v[b << 2 & 60 | c >> 6] .. v[c & 63]
    end
    local a, b = byte(s, #s - #s % 3 + 1, #s)
    if b then
        out[n + 1] = v[a >> 2] .. v[a << 4 & 48 | b >> 4] .. v[b << 2 & 60]
    elseif a then
        out[n + 1] = v[a >> 2] .. v[a << 4 & 48]
    end
    return table.concat(out)
end

local VALUE = {}
for i = 1, #ALPHABET do
    VALUE[ALPHABET:byte(i)] = i - 1
end

-- The bytes of a text in base64url, nil if it is not the one that they have.
local function unbase64url(s)
    local out, n, byte, char, v = {}, 0, string.byte, string.char, VALUE
    local rest = #s % 4
    if rest == 1 or not s:find("^[A-Za-z0-9_-]*$") then
        return nil
    end
    local eights = (#s - rest) // 8 * 8
    for i = 1, eights, 8 do
        local a, b, c, d, e, f, g, h = byte(s, i, i + 7)
        b, f = v[b], v[f]
        c, g = v[c], v[g]
        n = n + 1
        out[n] = char(v[a] * 4 | b >> 4, b * 16 & 255 | c >> 2,
            c * 64 & 255 | v[d], v[e] * 4 | f >> 4, f * 16 & 255 | g >> 2,
            g * 64 & 255 | v[h])
    end
    if #s - rest > eights then
        local a, b, c, d = byte(s, eights + 1, eights + 4)
        local bits = v[a] << 18 | v[b] << 12 | v[c] << 6 | v[d]
        out[n + 1] = char(bits >> 16, bits >> 8 & 255, bits & 255)
        n = n + 1
    end
    if rest > 0 then
        local a, b, c = byte(s, #s - rest + 1, #s)
        local bits = v[a] << 10 | v[b] << 4 | (c and v[c] >> 2 or 0)
        if c and v[c] & 3 ~= 0 or not c and v[b] & 15 ~= 0 then
            return nil
        end
        out[n + 1] = c and char(bits >> 8, bits & 255) or char(bits >> 8)
    end
    return table.concat(out)
end

-- Distinguishes two requests of one requester, who gains nothing by a
-- collision.
local function sum_of(s)
    local h = #s
    for i = 1, #s do
        h = (h ~ s:byte(i)) * 1099511628211
    end
    return h
end

-- ---- for the files after this one -------------------------------------------

lib.is_id, lib.is_address, lib.is_text = is_id, is_address, is_text
lib.is_plain, lib.integer, lib.is_amount = is_plain, integer, is_amount
lib.before, lib.split, lib.id_list, lib.quote = before, split, id_list, quote
lib.object, lib.base64url, lib.sum_of = object, base64url, sum_of
lib.unbase64url = unbase64url
