-- The mutants of a file in Lua: each has one check less.  A check is a
-- condition of if and elseif, each term of one that and and or join, each such
-- term of what is returned or assigned, and what sets p.fault or p.refused.
-- A term gets the value that lets the others decide.

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function if in local nil
    not or repeat return then true until while]]):gmatch("%a+") do
    KEYWORDS[word] = true
end
local COMPARES = { ["=="] = true, ["~="] = true, ["<"] = true, [">"] = true,
    ["<="] = true, [">="] = true }
local OPENS = { ["("] = true, ["["] = true, ["{"] = true }
local CLOSES = { [")"] = true, ["]"] = true, ["}"] = true }
local FORMS = { "^%-%-[^\n]*", "^%[%[.-%]%]", "^[%a_][%w_]*", "^0x%x+",
    "^%d[%w.]*", "^\"[^\"\n]*\"", "^'[^'\n]*'", "^%.%.", "^[=~<>]=", "^//",
    "^<<", "^>>", "^%S" }

-- Return the tokens of a text: word, and its first and last byte.
local function tokens_of(text)
    local list, at, line = {}, 1, 1
    while true do
        local blank = text:match("^%s*", at)
        line = line + select(2, blank:gsub("\n", ""))
        at = at + #blank
        if at > #text then
            return list
        end
        local word
        for _, form in ipairs(FORMS) do
            word = word or text:match(form, at)
        end
        if word:sub(1, 2) ~= "--" then
            list[#list + 1] = { word = word, from = at, to = at + #word - 1,
                line = line }
        end
        at = at + #word
    end
end

local function ends_operand(word)
    return word:match("^[%w_\"']") and (not KEYWORDS[word] or word == "nil" or
        word == "true" or word == "false") or CLOSES[word]
end

-- Return the number of the token after a term that begins at number i.
local function after_term(list, i)
    local depth = 0
    while list[i] do
        local word, last = list[i].word, list[i - 1].word
        if OPENS[word] then
            depth = depth + 1
        elseif CLOSES[word] then
            depth = depth - 1
            if depth < 0 then
                return i
            end
        elseif depth == 0 and (word == "," or word == ";" or word == "=" or
            KEYWORDS[word] and not word:match("^n[io][lt]$") and
            word ~= "true" and word ~= "false") then
            return i
        elseif depth == 0 and ends_operand(last) and word:match("^[%a_]") and
            i > list.begin then
            return i
        end
        i = i + 1
    end
    return i
end

local parse_or

-- Return a tree { from, to, op, kids } and the number of the token after it.
local function parse_term(list, i)
    list.begin = i
    local to = after_term(list, i)
    local inner = list[i] and list[i].word == "(" and parse_or(list, i + 1)
    if inner and inner.op and inner.to == to - 2 then
        return inner, to
    end
    return { from = i, to = to - 1 }, to
end

local function parse_chain(list, i, op, parse)
    local kids = {}
    local node = { from = i, op = op, kids = kids }
    kids[1], i = parse(list, i)
    while list[i] and list[i].word == op do
        kids[#kids + 1], i = parse(list, i + 1)
    end
    node.to = i - 1
    return #kids > 1 and node or kids[1], i
end

local function parse_and(list, i)
    return parse_chain(list, i, "and", parse_term)
end

function parse_or(list, i)
    return parse_chain(list, i, "or", parse_and)
end

-- Return whether a term compares, negates or, in a chain, calls.
local function is_check(list, node, op)
    local depth = 0
    for i = node.from, node.to do
        local word = list[i].word
        depth = depth + (OPENS[word] and 1 or CLOSES[word] and -1 or 0)
        if depth == 0 and (COMPARES[word] or word == "not") then
            return true
        end
    end
    return op and list[node.to].word == ")" and node.to > node.from
end

local function add(out, list, from, to, value)
    out[#out + 1] = { from = list[from].from, to = list[to].to,
        first = list.first, last = list[list.last].line,
        line = list[from].line, name = list.name, value = value }
end

local function add_terms(out, list, node, op, is_condition)
    if not node.op then
        if is_condition or is_check(list, node, op) then
            local value = op == "or" or is_condition and not op
            add(out, list, node.from, node.to, value and "false" or "true")
        end
        return
    end
    if is_condition and not op and node.op == "and" then
        add(out, list, node.from, node.to, "false")
    end
    for _, kid in ipairs(node.kids) do
        add_terms(out, list, kid, node.op, is_condition)
    end
end

-- The expressions from number i on, separated by commas.
local function add_list(out, list, i, is_condition)
    repeat
        if not list[i] or list[i].word == "function" then
            return
        end
        list.first = list[i].line
        local node, to = parse_or(list, i)
        list.last = to - 1
        if to == i then
            return
        end
        add_terms(out, list, node, nil, is_condition)
        i = to + 1
    until not list[to] or list[to].word ~= ","
end

-- p.fault = true, or p.fault, v = true, ..
local function add_mark(out, list, i)
    local word = list[i + 2] and list[i + 2].word
    if list[i].word ~= "p" or list[i + 1].word ~= "." or
        (word ~= "fault" and word ~= "refused") then
        return
    end
    local at = i + 3
    while list[at].word == "," or list[at].word:match("^%a+$") or
        list[at].word:match("^[%[%]]$") do
        at = at + 1
    end
    if list[at].word == "=" and list[at + 1].word == "true" then
        list.first, list.last = list[i].line, at + 1
        add(out, list, at + 1, at + 1, "p." .. word)
    end
end

-- Return the mutants of a text: bytes from and to get value; line is that of
-- the first one, first and last those of the whole expression, name that of the
-- function.
local function mutants_of(text)
    local out, list = {}, tokens_of(text)
    list.name = ""
    for i, token in ipairs(list) do
        local word = token.word
        if word == "function" then
            local name = text:match("^[%w_.]+", list[i + 1].from)
            if not name then -- a = function
                local line = text:sub(1, token.from):match("[^\n]*$")
                name = line:match("^(%S+) = ")
            end
            list.name = name or list.name
        elseif word == "if" or word == "elseif" then
            add_list(out, list, i + 1, true)
        elseif word == "return" or word == "=" then
            add_list(out, list, i + 1, false)
        end
        if i + 3 < #list then
            add_mark(out, list, i)
        end
    end
    local seen = {}
    for _, m in ipairs(out) do
        local old = text:sub(m.from, m.to):gsub("%s+", " ")
        m.key = m.name .. ": " .. old .. (m.value:sub(1, 2) == "p." and
            " of " .. m.value or "")
        seen[m.key] = (seen[m.key] or 0) + 1
        if seen[m.key] > 1 then
            m.key = m.key .. " (" .. seen[m.key] .. ")"
        end
    end
    return out
end

local function planted(text, m)
    return text:sub(1, m.from - 1) .. m.value .. text:sub(m.to + 1)
end

return { mutants_of = mutants_of, planted = planted }
