/*
 * apus.engine for Lua (lua/engine_lua.h) called as the bytes say, any function
 * with any arguments in any order: it raises no error, gives what its header
 * says or nil and a text, and a step is no longer than was asked.  One engine
 * has a model and an answer begun, which it keeps, since to open one takes
 * long; the other never has any, and is the one that is asked to open files.
 */
#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_LOCALNET
#include <lauxlib.h>
#include <lua.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "lua/engine_lua.h"
#include "tests/mini_model.h"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef HAVE_LOCALNET

#define MAX_CALLS 24
#define MAX_ARGS 3

static void must(bool good)
{
    if (!good)
        abort();
}

/* ---- the only file there is ---------------------------------------------- */

static char model[] = "/tmp/fuzz-engine-lua-XXXXXX";

static void remove_model(void)
{
    unlink(model);
}

/* Without tokenizer and template, which are after the tensors: prompts are
 * ids. */
static void make_model(void)
{
    struct mini m;
    int fd = mkstemp(model);

    must(fd >= 0);
    mini_init(&m, 0);
    model_layout_clear(&m.lay);
    m.rec.tokenizer_size = m.rec.template_size = 0;
    must(model_layout(&m.lay, &m.rec, NULL) == 0);
    mini_seal(&m);
    must(write(fd, m.data, (size_t)m.lay.size) == (ssize_t)m.lay.size);
    close(fd);
    mini_clear(&m);
}

static char *find(void *self, const char *name, struct err *err)
{
    (void)self;
    /* of a file that is gone later */
    if (strcmp(name, "model") == 0)
        return xstrdup(model);
    err_set(err, ERR_INPUT, "no file \"%.20s\"", name);
    return NULL;
}

/* ---- arguments from bytes ------------------------------------------------ */

struct input {
    const uint8_t *p;
    size_t n;
};

static unsigned take(struct input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->p++;
}

static const char *take_some(struct input *in, size_t *n)
{
    const uint8_t *p = in->p;

    *n = take(in);
    if (*n > in->n)
        *n = in->n;
    p = in->p;
    in->p += *n;
    in->n -= *n;
    return (const char *)p;
}

/* A request for ids, whose body ends as the bytes say. */
static void push_line(lua_State *lua, struct input *in)
{
    luaL_Buffer b;
    size_t n;
    const char *more = take_some(in, &n);

    luaL_buffinit(lua, &b);
    luaL_addstring(&b, "{\"custom_id\":\"0\",\"method\":\"POST\",\"url\":"
                   "\"/v1/completions\",\"body\":{\"prompt\":[1,3]");
    luaL_addlstring(&b, more, n);
    luaL_addstring(&b, "}}");
    luaL_pushresult(&b);
}

static void push_number(lua_State *lua, struct input *in)
{
    unsigned char b[8];

    for (size_t i = 0; i < sizeof(b); i++)
        b[i] = (unsigned char)take(in);
    lua_pushinteger(lua, (lua_Integer)get_u64(b));
}

static void push_one(lua_State *lua, struct input *in)
{
    size_t n;
    const char *s;

    switch (take(in) % 10) {
    case 0: lua_pushnil(lua); break;
    case 1: lua_pushboolean(lua, (int)take(in) & 1); break;
    case 2: push_number(lua, in); break;
    case 3: lua_pushinteger(lua, (int8_t)take(in)); break;
    case 4: lua_pushnumber(lua, (int8_t)take(in) / 2.0); break;
    case 5: lua_newtable(lua); break;
    case 6: lua_pushliteral(lua, "model"); break;
    case 7: lua_pushliteral(lua, "reference"); break;
    case 8: push_line(lua, in); break;
    default:
        s = take_some(in, &n);
        lua_pushlstring(lua, s, n);
    }
}

/* ---- calls --------------------------------------------------------------- */

static const struct {
    const char *name;
    int type; /* of the first result, where there is one */
} functions[] = {
    { "start", LUA_TNUMBER }, { "step", LUA_TBOOLEAN },
    { "answer", LUA_TTABLE }, { "figures", LUA_TTABLE },
    { "sha256", LUA_TSTRING }, { "open", LUA_TSTRING },
};
#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static void check(lua_State *lua, size_t f, lua_Integer asked)
{
    if (lua_isnil(lua, 3)) {
        must(lua_type(lua, 4) == LUA_TSTRING && lua_rawlen(lua, 4) > 0);
        return;
    }
    must(lua_type(lua, 3) == functions[f].type);
    if (strcmp(functions[f].name, "step") == 0)
        must(lua_isinteger(lua, 4) && lua_tointeger(lua, 4) <= asked);
}

/* The tables are at 1 and 2; what comes of the call is above them. */
static void call(lua_State *lua, struct input *in)
{
    size_t f = take(in) % N_FUNCTIONS;
    unsigned how = take(in);
    int n = (int)how % (MAX_ARGS + 1);
    bool other = how & 0x80 || strcmp(functions[f].name, "open") == 0;
    lua_Integer asked = INT64_MAX;

    lua_getfield(lua, other ? 2 : 1, functions[f].name);
    for (int i = 0; i < n; i++)
        push_one(lua, in);
    if (n > 0 && lua_isinteger(lua, 4))
        asked = lua_tointeger(lua, 4);
    must(lua_pcall(lua, n, 3, 0) == LUA_OK);
    check(lua, f, asked);
    lua_settop(lua, 2);
}

static lua_State *state;

static void close_lua(void)
{
    lua_close(state);
}

static void open_lua(void)
{
    state = luaL_newstate();
    must(state != NULL);
    make_model();
    engine_lua_push(state, find, NULL);
    engine_lua_push(state, find, NULL);
    lua_getfield(state, 1, "open");
    lua_pushliteral(state, "model");
    must(lua_pcall(state, 1, 1, 0) == LUA_OK && lua_isstring(state, 3));
    lua_settop(state, 2);
    remove_model();
    atexit(close_lua);
}

/* What the last input left goes. */
static void begin(void)
{
    static const uint8_t none = 0;
    struct input in = { &none, 1 };

    lua_getfield(state, 1, "start");
    push_line(state, &in);
    must(lua_pcall(state, 1, 1, 0) == LUA_OK && lua_isinteger(state, 3));
    lua_settop(state, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };

    if (!state)
        open_lua();
    begin();
    for (int i = 0; i < MAX_CALLS && in.n > 0; i++)
        call(state, &in);
    return 0;
}

#else

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    return 0;
}

#endif
