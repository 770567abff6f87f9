local lib = ApusQueue
local MAX_VALUE, MAX_STOPS = lib.MAX_VALUE, lib.MAX_STOPS
local MAX_STOP, U32, MANY, Q = lib.MAX_STOP, lib.U32, lib.MANY, lib.Q
local is_id, is_text, integer = lib.is_id, lib.is_text, lib.integer
local before, quote, base64url = lib.before, lib.quote, lib.base64url
local unbase64url = lib.unbase64url
local NULL, scan, decoded_text = lib.NULL, lib.scan, lib.decoded_text
local scaled, judge = lib.scaled, lib.judge_member
local put_u32, blob = lib.put_u32, lib.blob

-- ---- parameters: proof.md section 3 ----------------------------------------

local function is_empty(v)
    return v == nil or v == NULL or v == "" or
        type(v) == "table" and #(v.array or v.keys or "number") == 0
end

-- Parameters into p, which has those that were given before, from the members
-- of a body; or why not.
local fields
do
    local option = {}

    local function take(p, key, value, name, what)
        if value == nil then
            return '"' .. name .. '" must be ' .. what
        elseif p.given[key] ~= nil and p.given[key] ~= value then
            return '"' .. name .. '" is given twice, and differs'
        end
        p.given[key], p[key] = value, value
        return nil
    end

    local function number(v, shift, min, max, near)
        local digits = type(v) == "table" and v.number and
            scaled(v.number, shift, near)
        return digits and integer(digits, min, max) or nil
    end

    function option.model(p, v, name)
        if v == "" then
            return nil
        end
        return take(p, "model", type(v) == "string" and v or nil, name,
            "a string")
    end

    function option.max_tokens(p, v, name)
        return take(p, "max_tokens", number(v, 0, 1, U32), name,
            "an integer from 1 to 4294967295")
    end

    option.max_completion_tokens = option.max_tokens

    function option.temperature(p, v, name)
        local t = number(v, 6, 0, 100000000, true)
        -- 0 is the choice of the likeliest, and what is near it is not
        if t and t < 10000 and scaled(v.number, 0) ~= "0" then
            t = nil
        end
        return take(p, "temperature", t, name,
            "0 or a number from 0.01 to 100")
    end

    function option.top_p(p, v, name)
        return take(p, "top_p", number(v, 6, 1, 1000000, true), name,
            "a number from 0.000001 to 1")
    end

    function option.top_k(p, v, name)
        local k = number(v, 0, 0, U32)
        -- of others: -1 is no limit, as our 0
        if type(v) == "table" and v.number and scaled(v.number, 0) == "-1" then
            k = 0
        end
        return take(p, "top_k", k, name,
            "an integer from 0 to 4294967295, or -1")
    end

    function option.n(p, v, name)
        p.n = number(v, 0, 1, 8)
        return not p.n and '"' .. name .. '" must be an integer from 1 to 8' or
            nil
    end

    function option.seed(p, v, name)
        local digits = type(v) == "table" and v.number and
            scaled(v.number, 0) or v
        -- "" and, of others, -1: any
        if digits == "" or digits == "-1" and v ~= digits then
            return nil
        elseif type(digits) ~= "string" or #digits > 20 or
            not digits:find("^%d+$") or digits:find("^0.") or
            #digits == 20 and before("18446744073709551615", digits) then
            digits = nil
        end
        return take(p, "seed", digits, name, "an integer from 0 to " ..
            "18446744073709551615, or a string of its digits")
    end

    function option.stop(p, v, name)
        local list = type(v) == "table" and v.array or { v }
        local seen, stops = {}, {}
        if is_empty(v) then
            return nil
        elseif #list > MAX_STOPS then
            return '"' .. name .. '" must be at most 16 strings'
        end
        for _, s in ipairs(list) do
            if type(s) ~= "string" or #s < 1 or #s > MAX_STOP then
                return '"' .. name .. '" must be a string of 1 to 64 ' ..
                    "bytes, or an array of at most 16 of them"
            elseif not seen[s] then
                seen[s] = true
                stops[#stops + 1] = s
            end
        end
        table.sort(stops, before)
        for i, s in ipairs(stops) do
            stops[i] = quote(base64url(s))
        end
        return take(p, "stops", table.concat(stops, ","), name)
    end

    function option.ignore_eos(p, v, name)
        if type(v) ~= "boolean" then
            return '"' .. name .. '" must be true or false'
        end
        return take(p, "flags", v and 1 or 0, name)
    end

    local function top_logprobs(p, v, name, what)
        return take(p, "top_logprobs", number(v, 0, 0, 20), name, what)
    end

    -- true or false of a chat; of a completion, how many of the likeliest
    function option.logprobs(p, v, name)
        local flag = type(v) == "boolean"
        local what = "true, false or an integer from 0 to 20"
        local wanted = v
        if not flag then
            wanted = number(v, 0, 0, 20) and true
        end
        local why = take(p, "logprobs", wanted, name, what)
        if not why and not flag then
            why = top_logprobs(p, v, name, what)
        end
        return why
    end

    function option.top_logprobs(p, v, name)
        return top_logprobs(p, v, name, "an integer from 0 to 20")
    end

    -- The likeliest are listed beside the token itself.
    local function logprobs_wrong(p)
        local top = (p.given.top_logprobs or 0) > 0
        if top and p.given.logprobs == false then
            return '"top_logprobs" must be 0 where "logprobs" is false'
        elseif top or p.given.logprobs then
            return '"logprobs" must be false: the answer to a message has ' ..
                "none"
        end
        return nil
    end

    local days = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

    function option.date(_, v, name)
        local y, m, d = nil, nil, nil
        if is_empty(v) then
            return nil
        elseif type(v) == "string" then
            y, m, d = v:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
        end
        y, m, d = tonumber(y), tonumber(m), tonumber(d)
        local leap = y and (y % 4 == 0 and y % 100 ~= 0 or y % 400 == 0)
        local last = m and days[m] and days[m] + (leap and m == 2 and 1 or 0)
        if not last or y < 1 or d < 1 or d > last then
            return '"' .. name .. '" must be a date, YYYY-MM-DD'
        end
        return nil
    end

    function option.apus(p, v, name)
        if is_empty(v) then
            return nil
        elseif type(v) ~= "table" or not v.object then
            return '"' .. name .. '" must be an object'
        end
        for _, key in ipairs(v.keys) do
            local what, why = judge("apus.", "apus.", key, v.object[key])
            if what == "take" then
                why = option[key](p, v.object[key], key)
            end
            if why then
                return why
            end
        end
        return nil
    end

    local function date_of(v)
        local apus = v.object.apus
        return type(apus) == "table" and apus.object and apus.object.date
    end

    fields = function(p, v, place)
        for _, key in ipairs(v.keys) do
            local e = v.object[key]
            local what, why = judge("", "", key, e)
            if what == "take" and option[key] then
                why = option[key](p, e, key)
            elseif what == "take" and place ~= "" and not is_empty(e) then
                why = '"' .. key .. '" does not belong in ' .. place
            end
            if why then
                return why
            end
        end
        if place ~= "" and not is_empty(date_of(v) or nil) then
            return '"apus.date" does not belong in ' .. place
        end
        if p.n ~= 1 then
            return '"n" must be 1: a message has one answer'
        end
        return logprobs_wrong(p)
    end
end

-- What a request says that says nothing.
local function defaults()
    return {
        max_tokens = 256, temperature = 1000000, top_p = 1000000, top_k = 0,
        seed = "", stops = "", flags = 0, n = 1, given = {}
    }
end

-- Parameters into p from the text of X-Options, or why not.
local function options(p, text)
    if not text or not text:find("[^ \t\r\n]") then
        return nil
    end
    local value, why = scan(text, MAX_VALUE)
    if not why and type(value) == "table" and value.object then
        why = fields(p, value, "X-Options")
    -- Lua writes an empty table as an array
    elseif not why and (value == "" or not is_empty(value)) then
        why = "an object expected"
    end
    return why and "X-Options: " .. why
end

-- ---- prompts ---------------------------------------------------------------

-- Form and prompt of a body that was scanned, its parameters into p; or nil and
-- why not.
local body
do
    local roles = { system = true, user = true, assistant = true,
        developer = true, tool = true }

    -- A value as JSON, members in their order, numbers as they were written.
    local function written(v)
        local out = {}
        if v == NULL then
            return "null"
        elseif type(v) ~= "table" then
            return type(v) == "string" and quote(v) or tostring(v)
        elseif v.number then
            return v.number
        end
        for i, e in ipairs(v.array or v.keys) do
            out[i] = v.array and written(e) or
                quote(e) .. ":" .. written(v.object[e])
        end
        out = table.concat(out, ",")
        return v.array and "[" .. out .. "]" or "{" .. out .. "}"
    end

    local function judge_all(v, group, path)
        for _, key in ipairs(v.keys) do
            local what, why = judge(group, path, key, v.object[key])
            if not what then
                return why
            end
        end
        return nil
    end

    -- Text parts, joined; or nil and why not.
    local function joined(parts, path)
        local out = {}
        for i, part in ipairs(parts) do
            local map = type(part) == "table" and part.object or {}
            if map.type ~= "text" or type(map.text) ~= "string" then
                return nil, 'a part of "' .. path ..
                    '" must be {"type":"text","text":"..."}'
            end
            local why = judge_all(part, "content.", path .. ".")
            if why then
                return nil, why
            end
            out[i] = map.text
        end
        return #out > 0 and table.concat(out) or nil
    end

    local function is_call(v)
        local f = type(v) == "table" and v.object and v.object["function"]
        return type(f) == "table" and f.object and
            type(f.object.name) == "string"
    end

    -- Members that only one role has, of others empty: where a text has them,
    -- for what role, and what they must be.
    local members = {
        { "name", "tool", "a string" },
        { "tool_call_id", "tool", "a string" },
        { "reasoning_content", "assistant", "a string" },
        { "tool_calls", "assistant", 'an array of {"type":"function",' ..
            '"function":{"name":"...","arguments":"..."}}' }
    }

    -- Those of a message as text, or nil and why not.
    local function members_text(map, path)
        local out = {}
        for _, m in ipairs(members) do
            local key, v = m[1], map[m[1]]
            local list = type(v) == "table" and v.array
            local good = type(v) == "string"
            if key == "tool_calls" then
                good = list ~= nil and list ~= false
                for _, c in ipairs(list or {}) do
                    good = good and is_call(c)
                end
            end
            if not is_empty(v) then
                local name = '"' .. path .. "." .. key .. '"'
                if map.role ~= m[2] then
                    return nil, name .. ' belongs in a message of role "' ..
                        m[2] .. '"'
                elseif not good then
                    return nil, name .. " must be " .. m[3]
                end
                out[#out + 1] = "," .. quote(key) .. ":" .. written(v)
            end
        end
        return table.concat(out)
    end

    local function message_text(e, path)
        if type(e) ~= "table" or not e.object then
            return nil, '"' .. path .. '" must be an object'
        end
        local why = judge_all(e, "messages.", path .. ".")
        local role, text = e.object.role, e.object.content
        if why then
            return nil, why
        elseif type(role) ~= "string" or not roles[role] then
            return nil, '"' .. path .. '.role" must be system, developer, ' ..
                "user, assistant or tool: no other is implemented"
        end
        local more, bad = members_text(e.object, path)
        if not more then
            return nil, bad
        end
        path = path .. ".content"
        if (text == nil or text == NULL) and
            not is_empty(e.object.tool_calls) then
            return '{"role":"' .. role .. '","content":null' .. more .. "}"
        end
        if type(text) == "table" and text.array then
            text, why = joined(text.array, path)
        end
        if type(text) ~= "string" then
            return nil, why or '"' .. path ..
                '" must be a string or an array of text parts'
        end
        return '{"role":"' .. role .. '","content":' .. quote(text) .. more ..
            "}"
    end

    local function messages_text(v)
        local out = {}
        if type(v) ~= "table" or not v.array then
            return nil, '"messages" must be an array of messages, at least one'
        end
        for i, e in ipairs(v.array) do
            local text, why = message_text(e, "messages[" .. i - 1 .. "]")
            if not text then
                return nil, why
            end
            out[i] = text
        end
        return "[" .. table.concat(out, ",") .. "]"
    end

    -- What a chat template sees beside the messages.
    local beside = { "tools", "documents", "chat_template_kwargs" }

    local function date_of(v)
        local apus = v.object.apus
        local date = type(apus) == "table" and apus.object and apus.object.date
        return type(date) == "string" and date ~= "" and date or nil
    end

    -- The messages alone, or an object with them if anything is beside them; or
    -- nil and why not.
    local function chat_text(v)
        local text, why = messages_text(v.object.messages)
        if not text then
            return nil, why
        end
        local out, date = { '"messages":' .. text }, date_of(v)
        for _, name in ipairs(beside) do
            local e = v.object[name]
            local list = type(e) == "table" and e.array
            local good = list or name == "chat_template_kwargs" and
                type(e) == "table" and e.object
            for _, one in ipairs(list or {}) do
                good = good and type(one) == "table" and one.object
            end
            if list and name == "chat_template_kwargs" then
                good = false
            end
            if not is_empty(e) then
                if not good then
                    return nil, '"' .. name .. '" must be an ' ..
                        (name == beside[3] and "object" or "array of objects")
                end
                out[#out + 1] = quote(name) .. ":" .. written(e)
            end
        end
        if date then
            out[#out + 1] = '"apus":{"date":' .. quote(date) .. "}"
        end
        return #out > 1 and "{" .. table.concat(out, ",") .. "}" or text
    end

    -- The form and text of a prompt, token ids also into p; or nil and why not.
    local function prompt_text(p, v)
        local list = type(v) == "table" and v.array
        local one = list and #list == 1 and list[1]
        if type(one) == "string" or type(one) == "table" and one.array then
            v, list = one, type(one) == "table" and one.array
        end
        if type(v) == "string" then
            return "prompt", v
        end
        local digits, bytes, most = {}, {}, 0
        for i, id in ipairs(list or { "none" }) do
            local text = type(id) == "table" and id.number and
                scaled(id.number, 0)
            local n = text and integer(text, 0, U32)
            if not n then
                return nil, '"prompt" must be a text or a list of token ids,' ..
                    " or a list of one of these"
            end
            digits[i], bytes[i], most = text, put_u32(n), math.max(most, n)
        end
        if #digits == 0 then
            return nil, '"prompt" has no token ids'
        end
        p.ids = { n = #digits, most = most, root = blob(table.concat(bytes)) }
        return "ids", "[" .. table.concat(digits, ",") .. "]"
    end

    body = function(p, v)
        if type(v) ~= "table" or not v.object then
            return nil, "an object with messages or prompt expected"
        end
        local why, text = fields(p, v, ""), nil
        local messages, prompt = v.object.messages, v.object.prompt
        if why then
            return nil, why
        elseif not is_empty(messages) and not is_empty(prompt) then
            return nil, '"messages" and "prompt": give one of them'
        elseif not is_empty(messages) then
            text, why = chat_text(v)
            return text and "messages", text or why
        elseif prompt == nil or prompt == NULL then
            return nil, "an object with messages or prompt expected"
        end
        for _, name in ipairs(beside) do
            if not is_empty(v.object[name]) then
                return nil, '"' .. name .. '" does not belong with "prompt"'
            end
        end
        if date_of(v) then
            return nil, '"apus.date" does not belong with "prompt"'
        end
        return prompt_text(p, prompt)
    end
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

-- The same of an item that holds token ids, whose count and root the message
-- says.
local function source_ids(m, p, json)
    local n = integer(m.tag["x-prompt-count"], 1, U32)
    local root = unbase64url(m.tag["x-prompt-root"] or "")
    if not m.tag["x-source"] or json or not n or
        not is_id(m.tag["x-prompt-root"]) then
        return nil, "X-Prompt-Count and X-Prompt-Root belong to an X-Source" ..
            " of token ids: their number, and their root, an id"
    end
    p.ids = { n = n, most = 0, root = root, apart = true }
    return "source-ids", m.tag["x-source"]
end

-- Form and prompt of an Infer, parameters of a body into p; or nil and why not.
local function content(m, p)
    local source, tagged = m.tag["x-source"], m.tag["x-prompt"]
    local data, json, value, why = data_of(m)
    local form, prompt = "chat", tagged or data
    if why then
        return nil, why
    elseif source and (not is_id(source) or tagged) then
        return nil, "X-Source must be an id, and alone"
    elseif m.tag["x-prompt-count"] or m.tag["x-prompt-root"] then
        return source_ids(m, p, json)
    elseif source then
        return json and "source-json" or "source", source
    elseif json and not tagged then
        form, prompt = body(p, value)
        if not form then
            return nil, "Data: " .. prompt
        end
    end
    if not is_text(prompt, Q.max_prompt) or prompt == "" or
        #quote(prompt) > MANY.quoted + 2 then
        return nil, "a prompt must have 1 to " .. Q.max_prompt ..
            " bytes of UTF-8 without NUL, at most " .. MANY.quoted ..
            " as JSON (X-Source takes longer ones)"
    end
    return form, prompt
end

-- ---- for the files after this one -------------------------------------------

lib.defaults, lib.options, lib.data_of = defaults, options, data_of
lib.content = content
