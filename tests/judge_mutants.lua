-- judge_mutants.lua TOP EXPECTED [K/N [FILE]]: every mutant of the judge in Lua
-- (all, or every N-th from the K-th on; of all its files, or one) on what
-- tests/judge_files.c judged, its lines in the file EXPECTED.  A mutant is
-- found if it answers one of these otherwise, raises an error, or does not end.
-- A line each: found, known (one that changes nothing) or ALIVE; and their
-- numbers.
local top, expected = arg[1], arg[2]
local only = arg[4]
local part, parts = (arg[3] or "1/1"):match("(%d+)/(%d+)")
part, parts = tonumber(part), tonumber(parts)
package.path = top .. "/tests/?.lua"
io.stdout:setvbuf("line")
local mutants = require("lua_mutants")
local known = require("judge_mutants_known")
local FIRST, MOST = 20, 200000000 -- instructions of a game

local function read(name)
    local f = assert(io.open(name, "rb"))
    local s = f:read("a")
    f:close()
    return s
end

-- ---- the judge's files, and the games ----

local files, text = {}, {}
for name in io.popen("ls " .. top .. "/contrib/ao/judge/*.lua"):lines() do
    files[#files + 1] = name
    text[name] = read(name)
end

-- Nearly all of a game's time is SHA-256, of the same bytes for each mutant.
local sha256, hashes = nil, {}
local function remembered(s)
    local h = hashes[s] or sha256(s)
    hashes[s] = h
    return h
end

-- Return the judge, with other text for one file.
local function judge_with(name, other)
    ApusQueue = nil
    dofile(top .. "/contrib/ao/queue/05-sha256.lua")
    sha256, ApusQueue.sha256 = ApusQueue.sha256, remembered
    for _, file in ipairs(files) do
        assert(load(file == name and other or text[file], "@" .. file))()
    end
    return ApusQueue.judge
end

local function flipped(s, bit)
    local at = bit // 8 + 1
    return s:sub(1, at - 1) .. string.char(s:byte(at) ~ (1 << bit % 8)) ..
        s:sub(at + 1)
end

-- { file, bit, verdict, sentence }, those without a changed bit first
local games, changed, of, last = {}, {}, {}, {}
for line in io.lines(expected) do
    local file, bit, verdict = line:match("^(%S+) (%S+) ?(.*)$")
    if file ~= last.file then
        last = { file = file, bytes = read(file) }
    end
    if bit == "text" then
        of[file].sentence = verdict
    else
        local game = { file = file, verdict = verdict, bytes = last.bytes,
            bit = tonumber(bit) }
        local list = game.bit and changed or games
        list[#list + 1] = game
        of[file] = game.bit and of[file] or game
    end
end
table.move(changed, 1, #changed, #games + 1, games)

local function is_right(judge, game)
    local s = game.bit and flipped(game.bytes, game.bit) or game.bytes
    local state = judge.play(s)
    local verdict = state and (state.verdict or "open") or "refused"
    return verdict == game.verdict and (not game.sentence or
        (state and state.text or "") == game.sentence)
end

-- ---- which games run a line ----

local runs = {}   -- by file and line: numbers of games
local loads = {}  -- by file and line: whether loading runs it

-- Call f and return by file and line what it runs.
local function lines_of(f)
    local lines = {}
    debug.sethook(function (_, line)
        local name = debug.getinfo(2, "S").source
        lines[name] = lines[name] or {}
        lines[name][line] = true
    end, "l")
    local result = f()
    debug.sethook()
    return lines, result
end

local function cover()
    local judge
    loads, judge = lines_of(judge_with)
    for i, game in ipairs(games) do
        -- first the hashes, whose every line would be looked at
        assert(is_right(judge, game), game.file ..
            ": another verdict without a mutant")
        local lines = lines_of(function ()
            return is_right(judge, game)
        end)
        for name, seen in pairs(lines) do
            runs[name] = runs[name] or {}
            for line in pairs(seen) do
                runs[name][line] = runs[name][line] or {}
                table.insert(runs[name][line], i)
            end
        end
    end
end

-- Return the games that run a line of an expression, in order; all if loading
-- runs it, too.
local function games_of(name, m)
    local list, seen = {}, {}
    for line = m.first, m.last do
        for _, i in ipairs((runs["@" .. name] or {})[line] or {}) do
            if not seen[i] then
                seen[i] = true
                list[#list + 1] = i
            end
        end
        if (loads["@" .. name] or {})[line] and m.name == "" then
            for i = 1, #games do
                list[i] = i
            end
            return list
        end
    end
    table.sort(list)
    return list
end

-- ---- mutants ----

local function no_end()
    error("no end")
end

-- Return by what a mutant is found, or nil.
local function found(name, m)
    local other = mutants.planted(text[name], m)
    assert(load(other), name .. ": a mutant is not Lua: " .. m.key)
    local ok, judge = pcall(judge_with, name, other)
    if not ok then
        return "loading it"
    end
    for _, i in ipairs(games_of(name, m)) do
        debug.sethook(no_end, "", MOST)
        local done, right = pcall(is_right, judge, games[i])
        debug.sethook()
        if not done or not right then
            return games[i].file:match("[^/]*$") ..
                (games[i].bit and " bit " .. games[i].bit or "")
        end
    end
end

local n, number = { found = 0, known = 0, ALIVE = 0 }, 0
local function try(name, m)
    local what = name:match("[^/]*$")
    local key, by = what .. ": " .. m.key, found(name, m)
    local why = known[key]
    known[key] = nil
    local how = by and "found" or why and "known" or "ALIVE"
    if by and why then
        how, by = "ALIVE", "known as one that changes nothing, and found by " ..
            by
    end
    n[how] = n[how] + 1
    print(how .. " " .. what .. ":" .. m.line .. ": " .. m.key .. ": " ..
        (by or why or "no game sees it"))
end

cover()
for _, name in ipairs(files) do
    local file = name:match("[^/]*$")
    if tonumber(file:match("%d+")) >= FIRST and (only or file) == file then
        for _, m in ipairs(mutants.mutants_of(text[name])) do
            number = number + 1
            if number % parts == part % parts then
                try(name, m)
            else
                known[file .. ": " .. m.key] = nil
            end
        end
    end
end
for key in pairs(known) do
    if not only then
        n.ALIVE = n.ALIVE + 1
        print("ALIVE " .. key .. ": known, and no mutant")
    end
end
assert(n.found + n.known > 0, "nothing was tried")
print(n.found + n.known + n.ALIVE .. " mutants, " .. n.found .. " found, " ..
    n.known .. " change nothing")
os.exit(n.ALIVE == 0)
