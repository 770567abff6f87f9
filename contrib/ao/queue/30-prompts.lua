-- ---- parameters: proof.md section 3 ----------------------------------------

local function number(v, shift, min, max)
    local digits = type(v) == "table" and v.number and scaled(v.number, shift)
    return digits and integer(digits, min, max)
end

local option = {}

function option.max_tokens(p, v)
    p.max_tokens = number(v, 0, 1, U32)
    return p.max_tokens and "" or "an integer from 1 to 4294967295"
end

function option.temperature(p, v)
    p.temperature = number(v, 6, 0, 100000000)
    local ok = p.temperature and
        (p.temperature == 0 or p.temperature >= 10000)
    return ok and "" or "0, or 0.01 to 100 with at most 6 decimals"
end

function option.top_p(p, v)
    p.top_p = number(v, 6, 1, 1000000)
    return p.top_p and "" or "above 0, at most 1, with at most 6 decimals"
end

function option.top_k(p, v)
    p.top_k = number(v, 0, 0, U32)
    return p.top_k and "" or "an integer from 0 to 4294967295"
end

function option.seed(p, v)
    local digits = type(v) == "table" and v.number and scaled(v.number, 0)
    if type(v) == "string" and #v <= 20 and v:find("^%d+$") and
        not v:find("^0.") then
        digits = v
    end
    if not digits or
        #digits == 20 and before("18446744073709551615", digits) then
        return "an integer from 0 to 18446744073709551615, or its digits"
    end
    p.seed = digits
    return ""
end

function option.stop(p, v)
    local list = type(v) == "table" and v.array or { v }
    local seen, stops = {}, {}
    for _, s in ipairs(list) do
        if type(s) ~= "string" or #s < 1 or #s > MAX_STOP or
            #list > MAX_STOPS then
            return "a string of 1 to 64 bytes, or an array of at most 16"
        elseif not seen[s] then
            seen[s] = true
            stops[#stops + 1] = s
        end
    end
    table.sort(stops, before)
    for i, s in ipairs(stops) do
        stops[i] = quote(base64url(s))
    end
    p.stops = stops
    return ""
end

-- Apus's SDK sends these there too, beside the tags that count.
local passed_over = { session = true, reference = true }

-- Parameters from the text of X-Options (nil: none), or nil and why not.
local function options(text)
    local p = {
        max_tokens = 256, temperature = 1000000, top_p = 1000000, top_k = 0,
        seed = "", stops = {}
    }
    local value, why = scan(text or "{}", MAX_VALUE)
    -- Lua writes an empty table as an array
    if value and value ~= NULL and type(value) == "table" and value.array and
        #value.array == 0 then
        return p
    end
    if type(value) ~= "table" or not value.object then
        return nil, "X-Options: " .. (why or "an object expected")
    end
    for _, key in ipairs(value.keys) do
        local v = value.object[key]
        if not option[key] and not passed_over[key] then
            return nil, "X-Options: unknown parameter " ..
                quote(key:sub(1, 32):gsub("[^ -~]", "?"))
        elseif option[key] and v ~= NULL then
            local must = option[key](p, v)
            if must ~= "" then
                return nil, "X-Options: " .. key .. " must be " .. must
            end
        end
    end
    return p
end

-- ---- prompts ---------------------------------------------------------------

local roles = { system = true, user = true, assistant = true,
    developer = true }

-- How many members; only to be compared, so that their order is nothing.
local function count(t)
    local n = 0
    for _ in pairs(t) do
        n = n + 1
    end
    return n
end

-- What AOS makes of JSON, out of what scan makes: tables and strings.
local function plain(v)
    if type(v) ~= "table" or v.number or v == NULL then
        return type(v) == "string" and v or false
    end
    local out = {}
    for i, e in ipairs(v.array or {}) do
        out[i] = plain(e)
    end
    for _, key in ipairs(v.keys or {}) do
        out[key] = plain(v.object[key])
    end
    return out
end

local function messages_text(list)
    local out, size = {}, 2
    if type(list) ~= "table" or #list == 0 or count(list) ~= #list then
        return nil
    end
    for i, e in ipairs(list) do
        if type(e) ~= "table" or not roles[e.role] or count(e) ~= 2 or
            not is_text(e.content, Q.max_prompt) then
            return nil
        end
        out[i] = '{"role":"' .. e.role .. '","content":' ..
            quote(e.content) .. "}"
        size = size + #out[i] + 1
        if size > 2 * MAX_LINES then
            return nil
        end
    end
    return "[" .. table.concat(out, ",") .. "]"
end

-- Form and prompt of JSON.  AOS has decoded the exact type already, so that
-- a string under it was a string in JSON: it is not decoded again.
local function json_content(data, exact)
    if type(data) == "string" and not exact then
        local v = scan(data, 4 * Q.max_prompt)
        data = type(v) == "table" and v.object and plain(v)
    end
    if type(data) ~= "table" or count(data) ~= 1 then
        return nil, "an object with messages or prompt expected"
    elseif type(data.prompt) == "string" then
        return "prompt", data.prompt
    end
    local text = messages_text(data.messages)
    if not text then
        return nil, "messages must be [{\"role\":..,\"content\":\"..\"}]"
    end
    return "messages", text
end

-- Form and prompt of an Infer, or nil and why not.  Beside a tag that has or
-- names the prompt, data are passed over: libraries fill them with anything.
local function content(m)
    local source, tagged = m.tag["x-source"], m.tag["x-prompt"]
    local kind = m.tag["content-type"] or ""
    local json = kind:lower():match("^[^;%s]*") == "application/json"
    local form, prompt = "chat", tagged or m.data
    if source then
        if not is_id(source) or tagged then
            return nil, "X-Source must be an id, and alone"
        end
        return json and "source-json" or "source", source
    elseif json and not tagged then
        form, prompt = json_content(m.data, kind == "application/json")
        if not form then
            return nil, prompt
        end
    end
    if not is_text(prompt, Q.max_prompt) or prompt == "" then
        return nil, "a prompt must have 1 to " .. Q.max_prompt ..
            " bytes of UTF-8 without NUL (X-Source takes longer ones)"
    end
    return form, prompt
end

