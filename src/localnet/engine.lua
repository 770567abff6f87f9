-- The engine as a process finds it (src/lua/engine_lua.h): what it computes
-- takes gas, as the instructions of a module do (doc/onchain.md), so that no
-- message lasts longer than one of the network could.  require("apus") and
-- require("llama") run the texts of a module when they are first asked for.
--
-- Called with functions from C: charge(n), of instructions of Lua,
-- sha256(text) and module(name, value); then the engine, and the texts.

local native, engine, texts = ...
local load, type, kind = load, type, math.type
local min, most_of_all = math.min, math.maxinteger

local GAS = 9000 -- of a module, for an instruction that is counted here
local POSITION, WEIGHT, PAIR, KEY = 1.36e8, 700, 1560, 17500
local LINE = 100 -- instructions for a byte of a request
local PIECE = 64 -- positions between two looks at the gas

local cost -- of a position at the context's end
local metered = {}
for name, f in pairs(engine) do metered[name] = f end

function metered.open(name, kernel)
    cost = nil
    local id, why = engine.open(name, kernel)
    if not id then
        return nil, (why:gsub("/proc/self/fd/%d+", function() return name end))
    end
    local f = engine.figures()
    cost = (POSITION + WEIGHT * f.weights +
        (PAIR * f.channels + KEY * f.heads) * f.context) / GAS
    return id
end

function metered.start(line, id)
    if type(line) == "string" then native.charge(#line * LINE) end
    return engine.start(line, id)
end

function metered.step(n)
    if not cost or n ~= nil and (kind(n) ~= "integer" or n < 1) then
        return engine.step(n) -- which says what is wrong
    end
    local all, most = 0, n or most_of_all
    local done, computed
    repeat
        local piece = min(most - all, PIECE)
        native.charge(piece * cost)
        done, computed = engine.step(piece)
        if done == nil then return nil, computed end
        native.charge((computed - piece) * cost)
        all = all + computed
    until done or all >= most
    return done, all
end

function metered.sha256(text)
    if type(text) == "string" then return native.sha256(text) end
    return engine.sha256(text)
end

native.module("apus.engine", metered)

local apus, llama

-- Once, since it puts handlers before those of the process.
local function begin()
    if apus then return end
    local inside
    apus, llama, inside = load(texts.apus, "=apus")()
    apus.serve = load(texts.serve, "=serve")(apus, inside, texts.queue)
end
package.preload.apus = function() begin() return apus end
package.preload.llama = function() begin() return llama end
