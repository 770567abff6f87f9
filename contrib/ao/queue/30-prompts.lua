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

local function messages_text(v)
    local list = type(v) == "table" and v.array or {}
    local out, size = {}, 2
    for i, e in ipairs(list) do
        local map = type(e) == "table" and e.object
        if not map or #e.keys ~= 2 or not roles[map.role] or
            not is_text(map.content, Q.max_prompt) then
            return nil
        end
        out[i] = '{"role":"' .. map.role .. '","content":' ..
            quote(map.content) .. "}"
        size = size + #out[i] + 1
        if size > 2 * MAX_LINES then
            return nil
        end
    end
    return #list > 0 and "[" .. table.concat(out, ",") .. "]" or nil
end

-- Form and prompt of JSON that was scanned.
local function json_content(v)
    local map = type(v) == "table" and v.object
    if not map or #v.keys ~= 1 then
        return nil, "an object with messages or prompt expected"
    elseif type(map.prompt) == "string" then
        return "prompt", map.prompt
    end
    local text = messages_text(map.messages)
    if not text then
        return nil, "messages must be [{\"role\":..,\"content\":\"..\"}]"
    end
    return "messages", text
end

-- The data of a message, whether they are JSON, and then what scan makes of
-- them; or why they are not.  Beside a tag that has or names the prompt they
-- are passed over, for libraries fill them with anything; but what AOS has
-- decoded has to be JSON.
local function data_of(m)
    local kind = m.tag["content-type"] or ""
    local json = kind:lower():match("^[^;%s]*") == "application/json"
    local exact = kind == "application/json"
    local data, value, why = m.data, nil, nil
    if exact then
        data = decoded_text(data)
    end
    if exact or json and not m.tag["x-source"] and not m.tag["x-prompt"] then
        value, why = scan(data, 4 * Q.max_prompt)
    end
    return data, json, value, why and "Data: " .. why
end

-- Form and prompt of an Infer, or nil and why not.
local function content(m)
    local source, tagged = m.tag["x-source"], m.tag["x-prompt"]
    local data, json, value, why = data_of(m)
    local form, prompt = "chat", tagged or data
    if why then
        return nil, why
    elseif source then
        if not is_id(source) or tagged then
            return nil, "X-Source must be an id, and alone"
        end
        return json and "source-json" or "source", source
    elseif json and not tagged then
        form, prompt = json_content(value)
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

