local lib = ApusQueue
local MAX_LINES, MAX_DEPTH = lib.MAX_LINES, lib.MAX_DEPTH
local MAX_NUMBER, is_text, before = lib.MAX_NUMBER, lib.is_text, lib.before

-- ---- JSON ------------------------------------------------------------------
-- json.decode makes doubles of numbers and takes duplicate keys, so texts of
-- strangers are read here: numbers keep their text as { number = "0.7" },
-- arrays are { array = {..} }, objects { object = {..}, keys = {..} }.

local NULL = {}
local scan_value

local function fail(at, why)
    error(why .. " at byte " .. at, 0)
end

local function skip(s, at)
    return s:find("[^ \t\r\n]", at) or #s + 1
end

local function scan_code(s, at)
    local code = s:match("^\\u(%x%x%x%x)", at)
    return code and tonumber(code, 16) or fail(at, "bad escape")
end

-- Read a \u escape: its text, and the position after it.
local function scan_unicode(s, at)
    local code = scan_code(s, at)
    at = at + 6
    if code >= 0xD800 and code <= 0xDBFF then
        local low = scan_code(s, at)
        if low < 0xDC00 or low > 0xDFFF then
            fail(at, "half a surrogate pair")
        end
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        at = at + 6
    elseif code == 0 or code >= 0xDC00 and code <= 0xDFFF then
        fail(at, "NUL or half a surrogate pair")
    end
    return utf8.char(code), at
end

local escapes = {
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/",
    b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"
}

local function scan_string(s, at)
    local out = {}
    at = at + 1
    while true do
        local _, to = s:find('^[^"\\\0-\31]+', at)
        if to then
            out[#out + 1] = s:sub(at, to)
            at = to + 1
        end
        local c = s:sub(at, at)
        if c == '"' then
            return table.concat(out), at + 1
        elseif c ~= "\\" then
            fail(at, "string without end, or a control character in it")
        elseif s:sub(at + 1, at + 1) == "u" then
            out[#out + 1], at = scan_unicode(s, at)
        else
            out[#out + 1] = escapes[s:sub(at + 1, at + 1)] or
                fail(at, "bad escape")
            at = at + 2
        end
    end
end

local function scan_number(s, at)
    local from = at
    local int = s:match("^-?0", at) or s:match("^-?[1-9]%d*", at)
    if not int then
        fail(at, "value expected")
    end
    at = at + #int
    at = at + #(s:match("^%.%d+", at) or "")
    at = at + #(s:match("^[eE][+-]?%d+", at) or "")
    if at - from > MAX_NUMBER then
        fail(from, "number of more than 63 characters")
    end
    return { number = s:sub(from, at - 1) }, at
end

local function scan_array(s, at, depth)
    local list = {}
    at = skip(s, at + 1)
    if s:sub(at, at) == "]" then
        return { array = list }, at + 1
    end
    while true do
        list[#list + 1], at = scan_value(s, at, depth + 1)
        at = skip(s, at)
        local c = s:sub(at, at)
        if c == "]" then
            return { array = list }, at + 1
        elseif c ~= "," then
            fail(at, "\",\" or \"]\" expected")
        end
        at = at + 1
    end
end

local function scan_object(s, at, depth)
    local map, keys = {}, {}
    at = skip(s, at + 1)
    if s:sub(at, at) == "}" then
        return { object = map, keys = keys }, at + 1
    end
    while true do
        local key
        at = skip(s, at)
        if s:sub(at, at) ~= '"' then
            fail(at, "key expected")
        end
        key, at = scan_string(s, at)
        if map[key] ~= nil then
            fail(at, "a key twice")
        end
        at = skip(s, at)
        if s:sub(at, at) ~= ":" then
            fail(at, "\":\" expected")
        end
        keys[#keys + 1] = key
        map[key], at = scan_value(s, at + 1, depth + 1)
        at = skip(s, at)
        local c = s:sub(at, at)
        if c == "}" then
            return { object = map, keys = keys }, at + 1
        elseif c ~= "," then
            fail(at, "\",\" or \"}\" expected")
        end
        at = at + 1
    end
end

local words = { ["true"] = true, ["false"] = false, null = NULL }

scan_value = function(s, at, depth)
    at = skip(s, at)
    local c = s:sub(at, at)
    if c == '"' then
        return scan_string(s, at)
    elseif depth > MAX_DEPTH and (c == "{" or c == "[") then
        fail(at, "nested too deep")
    elseif c == "{" then
        return scan_object(s, at, depth)
    elseif c == "[" then
        return scan_array(s, at, depth)
    end
    local word = s:match("^%l+", at)
    if word and words[word] ~= nil then
        return words[word], at + #word
    end
    return scan_number(s, at)
end

-- Return the value, or nil and why the text is invalid.
local function scan(s, max)
    if not is_text(s, max) then
        return nil, "a text of at most " .. max .. " bytes of UTF-8 expected"
    end
    local ok, value, at = pcall(scan_value, s, 1, 1)
    if not ok then
        return nil, value
    elseif skip(s, at) <= #s then
        return nil, "more than one value"
    end
    return value
end

-- AOS decodes Data under application/json before any handler, forgets the text,
-- and accepts what scan rejects: repeated keys, trailing commas.  So the last
-- decoded text is remembered, and scan reads it again.  If decoding failed, the
-- message would end there, without an answer: AOS, which decodes outside of the
-- handlers' coroutine, then gets an empty table, and scan fails later.
local decoded_text
do
    local json, text, value = require("json"), nil, nil
    local decode = json.decode
    json.decode = function(s)
        local _, outside = coroutine.running()
        local ok, got = pcall(decode, s)
        if not ok then
            got = outside and {} or error(got, 0)
        end
        text, value = s, got
        return value
    end
    -- Return the text that AOS decoded into these data (nil and false are "").
    decoded_text = function(data)
        return rawequal(value or "", data) and text or nil
    end
end

-- Lines of objects: each a table of strings with these keys and no others; a
-- key of "number" may have one, which becomes its text.
local function scan_lines(s, allowed)
    local list = {}
    for line in s:gmatch("[^\n]+") do
        local value, why = scan(line, MAX_LINES)
        local map = type(value) == "table" and value.object
        if not map then
            return nil, "line " .. #list + 1 .. ": " .. (why or "no object")
        end
        for _, key in ipairs(value.keys) do
            if allowed[key] == "number" and type(map[key]) == "table" then
                map[key] = map[key].number
            end
            if not allowed[key] or type(map[key]) ~= "string" then
                return nil, "line " .. #list + 1 ..
                    ": a key that is unknown, or no string"
            end
        end
        list[#list + 1] = map
    end
    return list
end

-- The digits of a number times 10^shift, with its sign: the nearest integer, of
-- two the even one; unless near, nil if it is none.  nil if it has more than 20
-- digits, or 18 where it was rounded.  It never becomes a float.
local function scaled(text, shift, near)
    local sign, int, frac, e, exp =
        text:match("^(-?)(%d+)%.?(%d*)[eE]?([+-]?)(%d*)$")
    local digits = (int .. frac):gsub("^0+", "")
    exp = exp:gsub("^0+", "")
    if digits == "" or near and e == "-" and #exp > 4 then
        return "0"
    elseif #exp > 4 then
        return nil
    end
    local zeros = #digits:match("0*$")
    local power = exp ~= "" and math.tointeger(tonumber(exp)) or 0
    power = shift - #frac + zeros + (e == "-" and -power or power)
    digits = digits:sub(1, #digits - zeros)
    if power < 0 and near then
        local keep = math.max(#digits + power, 0)
        local head, tail = digits:sub(1, keep), digits:sub(keep + 1)
        local up = #digits + power >= 0 and (before("5", tail) or
            tail == "5" and head:find("[13579]$") ~= nil)
        if keep > 18 then
            return nil
        end
        power, digits = 0, string.format("%d",
            (math.tointeger(tonumber(head)) or 0) + (up and 1 or 0))
    end
    if power < 0 or #digits + power > 20 then
        return nil
    end
    return (digits ~= "0" and sign or "") .. digits .. ("0"):rep(power)
end

-- ---- for the files after this one -------------------------------------------

lib.NULL, lib.scan, lib.decoded_text = NULL, scan, decoded_text
lib.scan_lines, lib.scaled = scan_lines, scaled
