/*
 * enginelua SCRIPT ARGUMENT...: a plain Lua 5.3 that has apus.engine.
 */
#include <config.h>

#include <stdio.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "lua/engine_lua.h"

int main(int argc, char **argv)
{
    lua_State *lua = luaL_newstate();
    int rc;

    if (argc < 2 || !lua) {
        fprintf(stderr, "usage: enginelua SCRIPT ARGUMENT...\n");
        return 2;
    }
    luaL_openlibs(lua);
    luaL_getsubtable(lua, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(lua, luaopen_apus_engine);
    lua_setfield(lua, -2, "apus.engine");
    lua_settop(lua, 0);
    rc = luaL_loadfile(lua, argv[1]);
    for (int i = 2; i < argc; i++)
        lua_pushstring(lua, argv[i]);
    rc = rc || lua_pcall(lua, argc - 2, 0, 0);
    if (rc)
        fprintf(stderr, "%s\n", lua_tostring(lua, -1));
    lua_close(lua);
    return rc;
}
