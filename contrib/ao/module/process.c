/*
 * handle(message, environment) as the loader of ao's compute units calls it:
 * JSON in, {ok, response} out.  The Lua state is made by the first message and
 * lives in the module's memory, which the unit keeps between messages.  What
 * Lua finds there is boot.lua's.
 */
#include <config.h>

#include <emscripten.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "lua/engine_lua.h"
#include "module_text.h"

static lua_State *lua;

static const struct {
    const char *name, *text;
} texts[] = {
    { "json", lua_json },
    { "bint", lua_bint },
    { "handlers", lua_handlers },
    { "process", lua_aos },
    { "apus", lua_apus },
    { "serve", lua_serve },
    { "queue", lua_queue },
};

/* Runs under lua_pcall: any failure is a Lua error. */
static int boot(lua_State *l)
{
    luaL_openlibs(l);
    if (luaL_loadstring(l, lua_boot))
        return lua_error(l);
    luaopen_apus_engine(l);
    lua_newtable(l);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        lua_pushstring(l, texts[i].text);
        lua_setfield(l, -2, texts[i].name);
    }
    lua_call(l, 2, 1);
    lua_setfield(l, LUA_REGISTRYINDEX, "handle");
    return 0;
}

int main(void)
{
    if (lua)
        return 0;
    lua = luaL_newstate();
    if (!lua)
        return 1;
    lua_pushcfunction(lua, boot);
    return lua_pcall(lua, 0, 0, 0);
}

EMSCRIPTEN_KEEPALIVE const char *handle(const char *message,
                                        const char *environment)
{
    if (main())
        return "{\"ok\":false,\"response\":\"the module cannot begin\"}";
    lua_settop(lua, 0);
    lua_getfield(lua, LUA_REGISTRYINDEX, "handle");
    lua_pushstring(lua, message);
    lua_pushstring(lua, environment);
    if (lua_pcall(lua, 2, 1, 0) || !lua_tostring(lua, 1))
        return "{\"ok\":false,\"response\":\"no memory for a result\"}";
    /* each message copies all memory; garbage would be copied, too */
    lua_gc(lua, LUA_GCCOLLECT, 0);
    return lua_tostring(lua, 1);
}
