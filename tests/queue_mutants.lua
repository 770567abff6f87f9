-- queue_mutants.lua TOP QUEUE DIR COMMAND [K/N]: every mutant of Complete (all,
-- or every N-th from the K-th on) in a copy of the queue in DIR, of which
-- COMMAND has to fail.  QUEUE is the first part of the queue.  A line each:
-- found or ALIVE; and their numbers.
local top, queue, dir, command = arg[1], arg[2], arg[3], arg[4]
local part, parts = (arg[5] or "1/1"):match("(%d+)/(%d+)")
part, parts = tonumber(part), tonumber(parts)
package.path = top .. "/tests/?.lua"
io.stdout:setvbuf("line")
local mutants = require("lua_mutants")

-- Files, and the functions of them that a Complete goes through.
local OF = {
    { "45-records.lua" },
    { "60-nodes.lua", "is_result", "result_lines", "wrong_result", "compare",
        "take_result", "action.Complete" }
}

local function read(name)
    local f = assert(io.open(name, "rb"))
    local s = f:read("a")
    f:close()
    return s
end

local function write(name, s)
    local f = assert(io.open(name, "wb"))
    f:write(s)
    f:close()
end

-- ---- the queue's parts ----

local whole = {}
for i = 1, tonumber(read(queue):match("part 1 of (%d+)")) do
    local name = i == 1 and "" or "-" .. i
    whole[i] = { name = dir .. "/queue" .. name .. ".lua",
        text = read((queue:gsub("%.lua$", name .. ".lua"))) }
end

-- As contrib/ao/queue-parts writes a file into a part.
local function packed(text)
    return ("\n" .. text):gsub("\n *", "\n"):gsub("\n%-%-[^\n]*", "")
        :gsub("\n+", "\n"):sub(2)
end

local function plant(old, new)
    local n = 0
    for _, p in ipairs(whole) do
        local from, to = p.text:find(old, 1, true)
        n = n + (from and 1 or 0)
        write(p.name, from and p.text:sub(1, from - 1) .. new ..
            p.text:sub(to + 1) or p.text)
    end
    assert(n == 1, "a file is not in the queue's parts")
end

-- ---- mutants ----

local n, number = { found = 0, ALIVE = 0 }, 0

local function try(name, text, m)
    local other = mutants.planted(text, m)
    assert(load(other), name .. ": a mutant is not Lua: " .. m.key)
    plant(packed(text), packed(other))
    local how = os.execute(command) and "ALIVE" or "found"
    n[how] = n[how] + 1
    print(how .. " " .. name .. ":" .. m.line .. ": " .. m.key)
end

local function is_one(list, name)
    for i = 2, #list do
        if list[i] == name then
            return true
        end
    end
    return #list == 1
end

for _, list in ipairs(OF) do
    local text = read(top .. "/contrib/ao/queue/" .. list[1])
    plant(packed(text), packed(text))
    assert(number > 0 or os.execute(command),
        "the tests fail without a mutant")
    local named = {}
    for _, m in ipairs(mutants.mutants_of(text)) do
        if is_one(list, m.name) then
            named[m.name] = true
            number = number + 1
            if number % parts == part % parts then
                try(list[1], text, m)
            end
        end
    end
    for i = 2, #list do
        assert(named[list[i]], list[1] .. ": no mutant of " .. list[i])
    end
    plant(packed(text), packed(text))
end
-- or the last were found because something else is wrong
assert(os.execute(command), "the tests fail without a mutant")
assert(n.found + n.ALIVE > 0, "nothing was tried")
print(n.found + n.ALIVE .. " mutants, " .. n.found .. " found")
os.exit(n.ALIVE == 0)
