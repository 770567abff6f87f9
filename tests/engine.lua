-- engine.lua MODEL REQUESTS IDS EVERY [STEP]: answer each EVERY-th line of a
-- file, whose ids are the lines of another, in steps of at most STEP positions,
-- by apus.engine; for each a line: request id, job, trace, result.
local engine = require("apus.engine")
local model, requests, ids, every, most = ...
every, most = tonumber(every), math.tointeger(tonumber(most))

local function answer(line, id)
    local n = assert(engine.start(line, id))
    local all, done, computed = 0, false, nil
    repeat
        done, computed = engine.step(most)
        assert(done ~= nil, computed)
        assert(not most or computed <= most, "a step is too long")
        all = all + computed
    until done
    local a = assert(engine.answer())
    assert(a.request == id and a.prompt_tokens == n and a.positions == all)
    assert(#a.tokens == all - n + 1)
    return a
end

assert(engine.open(model))
local id = io.lines(ids)
local k = 0
for line in io.lines(requests) do
    local request = id()
    if k % every == 0 then
        local a = answer(line, request)
        print(a.request, a.job, a.trace, a.result)
    end
    k = k + 1
end
