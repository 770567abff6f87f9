-- What the Lua of a module begins with: nothing that reaches out of it, then
-- the runtime of processes (src/localnet/aos.lua), apus.lua and serve.lua.
-- Called with apus.engine and the texts of the others; gives
-- handle(message, environment), both JSON, whose value is JSON, too.
local engine, texts = ...

for name in ("dofile loadfile io"):gmatch("%a+") do _G[name] = nil end
package.loaded.io = nil
local date = os.date
os = {
    difftime = os.difftime,
    clock = function() return 0 end,
    date = function(form, time)
        return date(form or "%c", time or os.time() // 1000)
    end,
}
package.loaded.os = os
debug = { getinfo = debug.getinfo, traceback = debug.traceback }
package.loaded.debug = debug
package.loadlib, package.searchpath = nil, nil
package.searchers = { package.searchers[1] }

local loaded = package.loaded
local function text(name, as) return assert(load(texts[name], "=" .. as)) end
loaded.json = text("json", "json")()
loaded[".bint"] = text("bint", ".bint")()
text("handlers", ".handlers")()
loaded["apus.engine"] = engine
local handle = text("process", ".process")({
    sha256 = engine.sha256,
    module = function(name, value) loaded[name] = value end,
})
local inside
loaded.apus, loaded.llama, inside = text("apus", "apus")()
loaded.apus.serve = text("serve", "serve")(loaded.apus, inside, texts.queue)

local json = loaded.json
local decode = json.decode -- which serve.lua wraps
return function(message, environment)
    local good, failed, out = pcall(function()
        return handle(decode(message), decode(environment))
    end)
    if not good then
        return json.encode({ ok = false, response = tostring(failed) })
    end
    return '{"ok":true,"response":' .. out .. "}"
end
