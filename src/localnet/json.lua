-- The module "json" of a process: what it takes and gives is what AOS's does,
-- measured: numbers are written with 14 digits, a comma before the end of an
-- array is let through, what is not JSON is an error.  Keys are written in the
-- order of pairs().

local json = { _version = "localnet" }

-- A process may put the text of an error into a message, so it has the line
-- that it has on the network.
local function fail_at(line, why)
    error('[string "json"]:' .. line .. ": " .. why, 0)
end

-- ---- out ------------------------------------------------------------------

local short = {
    ["\\"] = "\\\\", ['"'] = '\\"', ["\b"] = "\\b", ["\f"] = "\\f",
    ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function quote(s)
    return '"' .. s:gsub('[%c"\\]', function(c)
        if c == "\127" then return c end
        return short[c] or string.format("\\u%04x", c:byte())
    end) .. '"'
end

local encode

local function encode_array(t, seen)
    local out, n = {}, 0
    for k in pairs(t) do
        if type(k) ~= "number" then
            fail_at(83, "invalid table: mixed or invalid key types")
        end
        n = n + 1
    end
    if n ~= #t then fail_at(91, "invalid table: sparse array") end
    for i = 1, n do out[i] = encode(t[i], seen) end
    return "[" .. table.concat(out, ",") .. "]"
end

local function encode_object(t, seen)
    local out = {}
    for k, v in pairs(t) do
        if type(k) ~= "string" then
            fail_at(111, "invalid table: mixed or invalid key types")
        end
        out[#out + 1] = quote(k) .. ":" .. encode(v, seen)
    end
    return "{" .. table.concat(out, ",") .. "}"
end

local function encode_table(t, seen)
    if seen[t] then fail_at(65, "circular reference") end
    seen[t] = true
    local text
    if rawget(t, 1) ~= nil or next(t) == nil then
        text = encode_array(t, seen)
    else
        text = encode_object(t, seen)
    end
    seen[t] = nil
    return text
end

local function encode_number(v)
    if v ~= v or v <= -math.huge or v >= math.huge then
        fail_at(149, "unexpected number value '" .. tostring(v) .. "'")
    end
    return string.format("%.14g", v)
end

encode = function(v, seen)
    local kind = type(v)
    if kind == "string" then return quote(v) end
    if kind == "number" then return encode_number(v) end
    if kind == "table" then return encode_table(v, seen) end
    if kind == "boolean" or kind == "nil" then
        return v == nil and "null" or tostring(v)
    end
    fail_at(183, "unexpected type '" .. kind .. "'")
end

function json.encode(v)
    return encode(v, {})
end

-- ---- in -------------------------------------------------------------------

local function fail(text, at, why)
    local line, column = 1, 1
    for i = 1, at - 1 do
        column = column + 1
        if text:byte(i) == 10 then line, column = line + 1, 1 end
    end
    fail_at(261, string.format("%s at line %d col %d", why, line, column))
end

local function blank(text, at)
    return text:find("[^ \t\r\n]", at) or #text + 1
end

local function utf8_of(n)
    if n < 0x80 then return string.char(n) end
    if n < 0x800 then
        return string.char(0xc0 | n >> 6, 0x80 | n & 0x3f)
    end
    if n < 0x10000 then
        return string.char(0xe0 | n >> 12, 0x80 | n >> 6 & 0x3f,
            0x80 | n & 0x3f)
    end
    return string.char(0xf0 | n >> 18, 0x80 | n >> 12 & 0x3f,
        0x80 | n >> 6 & 0x3f, 0x80 | n & 0x3f)
end

local plain = {
    b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/",
}

-- The text of an escape at the backslash, and where it ends.
local function escape(text, at)
    local c = text:sub(at + 1, at + 1)
    if plain[c] then return plain[c], at + 2 end
    if c ~= "u" then
        fail(text, at, "invalid escape char '" .. c .. "' in string")
    end
    local hex = text:match("^%x%x%x%x", at + 2)
    if not hex then fail(text, at, "invalid unicode escape in string") end
    local n = tonumber(hex, 16)
    local low = text:match("^\\u([dD][c-fC-F]%x%x)", at + 6)
    if n >= 0xd800 and n < 0xdc00 and low then
        n = 0x10000 + ((n - 0xd800) << 10) + (tonumber(low, 16) - 0xdc00)
        return utf8_of(n), at + 12
    end
    return utf8_of(n), at + 6
end

local function decode_string(text, from)
    local out, at = {}, from + 1
    while true do
        local stop = text:find('[%z\1-\31"\\]', at)
        if not stop then
            fail(text, from, "expected closing quote for string")
        end
        out[#out + 1] = text:sub(at, stop - 1)
        local c = text:byte(stop)
        if c == 34 then return table.concat(out), stop + 1 end
        if c ~= 92 then fail(text, stop, "control character in string") end
        out[#out + 1], at = escape(text, stop)
    end
end

local decode

local function decode_number(text, at)
    local stop = text:find("[ \t\r\n%]},]", at) or #text + 1
    local word = text:sub(at, stop - 1)
    local n = tonumber(word)
    if not n then fail(text, at, "invalid number '" .. word .. "'") end
    return n, stop
end

local literals = { ["true"] = { true }, ["false"] = { false }, null = {} }

local function decode_literal(text, at)
    local stop = text:find("[ \t\r\n%]},]", at) or #text + 1
    local word = text:sub(at, stop - 1)
    if not literals[word] then
        fail(text, at, "invalid literal '" .. word .. "'")
    end
    return literals[word][1], stop
end

local function decode_array(text, at)
    local out, i = {}, 1
    at = at + 1
    while true do
        at = blank(text, at)
        if text:byte(at) == 93 then return out, at + 1 end
        out[i], at = decode(text, at)
        i = i + 1
        at = blank(text, at)
        local c = text:byte(at)
        at = at + 1
        if c == 93 then return out, at end
        if c ~= 44 then fail(text, at, "expected ']' or ','") end
    end
end

local function decode_object(text, at)
    local out = {}
    at = at + 1
    while true do
        local key
        at = blank(text, at)
        if text:byte(at) == 125 then return out, at + 1 end
        if text:byte(at) ~= 34 then
            fail(text, at, "expected string for key")
        end
        key, at = decode_string(text, at)
        at = blank(text, at)
        if text:byte(at) ~= 58 then fail(text, at, "expected ':' after key") end
        out[key], at = decode(text, blank(text, at + 1))
        at = blank(text, at)
        local c = text:byte(at)
        at = at + 1
        if c == 125 then return out, at end
        if c ~= 44 then fail(text, at, "expected '}' or ','") end
    end
end

decode = function(text, at)
    local c = text:sub(at, at)
    if c == '"' then return decode_string(text, at) end
    if c == "{" then return decode_object(text, at) end
    if c == "[" then return decode_array(text, at) end
    if c:find("[-0-9]") then return decode_number(text, at) end
    if c:find("[tfn]") then return decode_literal(text, at) end
    fail(text, at, "unexpected character '" .. c .. "'")
end

function json.decode(text)
    if type(text) ~= "string" then
        fail_at(597, "expected argument of type string, got " .. type(text))
    end
    local v, at = decode(text, blank(text, 1))
    at = blank(text, at)
    if at <= #text then fail(text, at, "trailing garbage") end
    return v
end

return json
