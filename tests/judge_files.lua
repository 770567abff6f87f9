-- judge_files.lua CONTRIB: the judge in Lua on what tests/judge_files.c judges.
-- Lines "FILE BIT ..." on standard input; each is answered with FILE, BIT and
-- the verdict, or for "FILE text" its sentence.
local dir = arg[1]
dofile(dir .. "/ao/queue/05-sha256.lua")
for name in io.popen("ls " .. dir .. "/ao/judge/*.lua"):lines() do
    dofile(name)
end
local judge = ApusQueue.judge

local function read(name)
    local f = assert(io.open(name, "rb"))
    local s = f:read("a")
    f:close()
    return s
end

local last, text
for line in io.lines() do
    local name, bit = line:match("^(%S+) (%S+)")
    if name ~= last then
        last, text = name, read(name)
    end
    local s = text
    if tonumber(bit) then
        local at = tonumber(bit) // 8 + 1
        s = s:sub(1, at - 1) ..
            string.char(s:byte(at) ~ (1 << tonumber(bit) % 8)) ..
            s:sub(at + 1)
    end
    local state = judge.play(s)
    if bit == "text" then
        print(name .. " text " .. (state and state.text or ""))
    else
        print(name .. " " .. bit .. " " ..
            (state and (state.verdict or "open") or "refused"))
    end
end
