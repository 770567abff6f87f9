/*
 * The binding: arguments of Lua to lua/solo.h, and what comes of it back.
 */
#include <config.h>

#include "lua/engine_lua.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "lua/solo.h"
#include "proof/digest.h"
#include "proof/line_ids.h"

#define MAX_STEP ((lua_Integer)1 << 30)

/* What the functions share: their first upvalue. */
struct engine_lua {
    struct solo *solo; /* NULL: no model is open */
    engine_lua_find_fn *find;
    void *self;
};

static struct engine_lua *own(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

static int fail(lua_State *lua, const char *text)
{
    lua_pushnil(lua);
    lua_pushstring(lua, text);
    return 2;
}

static int fail_err(lua_State *lua, const struct err *err)
{
    return fail(lua, err->text);
}

/* Argument i if it is a string, numbers being none; else NULL. */
static const char *string_at(lua_State *lua, int i, size_t *n)
{
    return lua_type(lua, i) == LUA_TSTRING ? lua_tolstring(lua, i, n) : NULL;
}

/* .. and has no NUL. */
static const char *text_at(lua_State *lua, int i)
{
    size_t n;
    const char *s = string_at(lua, i, &n);

    return s && strlen(s) == n ? s : NULL;
}

/* ---- open ---------------------------------------------------------------- */

static int open_named(struct engine_lua *e, const char *name,
                      const char *kernel, uint64_t most, struct err *err)
{
    char *path = e->find ? e->find(e->self, name, err) : xstrdup(name);
    int rc;

    if (!path)
        return -1;
    rc = solo_open(&e->solo, path, kernel, most, err);
    free(path);
    return rc;
}

static int lua_open(lua_State *lua)
{
    struct engine_lua *e = own(lua);
    const char *name = text_at(lua, 1), *kernel = "auto";
    struct err err = ERR_INIT;
    lua_Integer most = INT64_MAX;

    if (!name)
        return fail(lua, "open: the name of a file is wanted");
    if (!lua_isnoneornil(lua, 2))
        kernel = text_at(lua, 2);
    if (!kernel)
        return fail(lua, "open: the name of a kernel is not text");
    if (!lua_isnoneornil(lua, 3)) {
        most = lua_tointeger(lua, 3);
        if (!lua_isinteger(lua, 3) || most < 0)
            return fail(lua, "open: a number of bytes is wanted");
    }
    /* two models seldom fit */
    solo_close(e->solo);
    e->solo = NULL;
    if (open_named(e, name, kernel, (uint64_t)most, &err))
        return fail_err(lua, &err);
    lua_pushstring(lua, solo_model_id(e->solo));
    return 1;
}

static int lua_figures(lua_State *lua)
{
    struct engine_lua *e = own(lua);
    struct solo_figures f;

    if (!e->solo)
        return fail(lua, "figures: no model is open");
    solo_figures(e->solo, &f);
    lua_newtable(lua);
    lua_pushinteger(lua, (lua_Integer)f.weights);
    lua_setfield(lua, -2, "weights");
    lua_pushinteger(lua, (lua_Integer)f.heads);
    lua_setfield(lua, -2, "heads");
    lua_pushinteger(lua, (lua_Integer)f.channels);
    lua_setfield(lua, -2, "channels");
    lua_pushinteger(lua, (lua_Integer)f.bytes);
    lua_setfield(lua, -2, "bytes");
    lua_pushinteger(lua, (lua_Integer)f.context);
    lua_setfield(lua, -2, "context");
    lua_pushboolean(lua, f.chat);
    lua_setfield(lua, -2, "chat");
    lua_pushstring(lua, f.kernel);
    lua_setfield(lua, -2, "kernel");
    return 1;
}

/* ---- an answer ----------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hex(struct id *id, const char *s)
{
    for (size_t i = 0; i < sizeof(id->b); i++) {
        int high = hex_value(s[2 * i]), low = hex_value(s[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        id->b[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

static int read_id(struct id *id, const char *s)
{
    size_t n = 0;

    if (s && strlen(s) == 2 * sizeof(id->b))
        return read_hex(id, s);
    return s && strlen(s) == ID_TEXT - 1 &&
           base64url_decode(id->b, sizeof(id->b), &n, s) == 0 &&
           n == sizeof(id->b) ? 0 : -1;
}

/* The id that apus run gives a line which is the only one of its kind. */
static struct id line_alone(const struct solo *s, const char *line, size_t n)
{
    struct id id, sum;

    digest(&sum, line, n);
    line_id(&id, *solo_model_hash(s), sum, 0);
    return id;
}

static int lua_start(lua_State *lua)
{
    struct engine_lua *e = own(lua);
    struct err err = ERR_INIT;
    size_t n, n_prompt;
    const char *line = string_at(lua, 1, &n);
    struct id id;

    if (!line)
        return fail(lua, "start: a request is wanted, one line of JSON");
    if (!lua_isnoneornil(lua, 2) && read_id(&id, text_at(lua, 2)))
        return fail(lua, "start: a request id is wanted, 64 hexadecimal"
                    " digits or 43 characters");
    if (!e->solo)
        return fail(lua, "start: no model is open");
    if (lua_isnoneornil(lua, 2))
        id = line_alone(e->solo, line, n);
    if (solo_start(e->solo, line, n, id, &n_prompt, &err))
        return fail_err(lua, &err);
    lua_pushinteger(lua, (lua_Integer)n_prompt);
    return 1;
}

static int lua_step(lua_State *lua)
{
    struct engine_lua *e = own(lua);
    struct err err = ERR_INIT;
    lua_Integer n = MAX_STEP;
    size_t computed;
    bool done;

    if (!lua_isnoneornil(lua, 1)) {
        if (!lua_isinteger(lua, 1) || lua_tointeger(lua, 1) < 1)
            return fail(lua, "step: a number of positions is wanted, at least"
                        " 1");
        n = lua_tointeger(lua, 1);
    }
    if (!e->solo)
        return fail(lua, "step: no model is open");
    if (solo_step(e->solo, (size_t)(n < MAX_STEP ? n : MAX_STEP), &computed,
                  &done, &err))
        return fail_err(lua, &err);
    lua_pushboolean(lua, done);
    lua_pushinteger(lua, (lua_Integer)computed);
    return 2;
}

static void set_hex(lua_State *lua, const char *key, struct id id)
{
    char hex[65];

    digest_hex(hex, id);
    lua_pushstring(lua, hex);
    lua_setfield(lua, -2, key);
}

static void set_id(lua_State *lua, const char *key, struct id id)
{
    lua_pushstring(lua, id_text(id).s);
    lua_setfield(lua, -2, key);
}

static void set_tokens(lua_State *lua, const struct record *r)
{
    lua_newtable(lua);
    for (size_t i = 0; i < r->n_output; i++) {
        lua_pushinteger(lua, (lua_Integer)get_u32(r->output + 4 * i));
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    lua_setfield(lua, -2, "tokens");
}

static int lua_answer(lua_State *lua)
{
    struct engine_lua *e = own(lua);
    struct err err = ERR_INIT;
    struct solo_answer a;

    if (!e->solo)
        return fail(lua, "answer: no model is open");
    if (solo_answer(e->solo, &a, &err))
        return fail_err(lua, &err);
    lua_newtable(lua);
    lua_pushlstring(lua, (const char *)a.record.text, a.record.text_size);
    lua_setfield(lua, -2, "text");
    set_tokens(lua, &a.record);
    lua_pushstring(lua, result_finish_name(a.result.finish));
    lua_setfield(lua, -2, "finish");
    lua_pushinteger(lua, (lua_Integer)a.record.n_prompt);
    lua_setfield(lua, -2, "prompt_tokens");
    lua_pushinteger(lua, (lua_Integer)a.result.n);
    lua_setfield(lua, -2, "positions");
    set_id(lua, "request", a.result.request);
    set_id(lua, "model", a.result.model);
    set_hex(lua, "job", a.result.job);
    set_hex(lua, "trace", a.result.trace);
    set_hex(lua, "result", a.result_id);
    return 1;
}

/* ---- the table ----------------------------------------------------------- */

static int lua_sha256(lua_State *lua)
{
    size_t n;
    const char *s = string_at(lua, 1, &n);
    struct id sum;

    if (!s)
        return fail(lua, "sha256: a string is wanted");
    digest(&sum, s, n);
    lua_pushlstring(lua, (const char *)sum.b, sizeof(sum.b));
    return 1;
}

static int collect_engine(lua_State *lua)
{
    struct engine_lua *e = lua_touserdata(lua, 1);

    solo_close(e->solo);
    e->solo = NULL;
    return 0;
}

static const luaL_Reg functions[] = {
    { "open", lua_open },
    { "start", lua_start },
    { "step", lua_step },
    { "answer", lua_answer },
    { "figures", lua_figures },
    { "sha256", lua_sha256 },
    { NULL, NULL }
};

void engine_lua_push(lua_State *lua, engine_lua_find_fn *find, void *self)
{
    struct engine_lua *e;

    luaL_newlibtable(lua, functions);
    e = lua_newuserdata(lua, sizeof(*e));
    *e = (struct engine_lua){ NULL, find, self };
    lua_newtable(lua);
    lua_pushcfunction(lua, collect_engine);
    lua_setfield(lua, -2, "__gc");
    lua_setmetatable(lua, -2);
    luaL_setfuncs(lua, functions, 1);
}

int luaopen_apus_engine(lua_State *lua)
{
    engine_lua_push(lua, NULL, NULL);
    return 1;
}
