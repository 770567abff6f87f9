/*
 * Lua on one side, bytes on the other.
 */
#include <config.h>

#include "localnet/vm.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "localnet/lua_text.h"
#include "lua/engine_lua.h"
#include "proof/digest.h"

#define HOOK_EVERY 1000000
#define HOOK_AFTER 1
#define HASH_COST 500 /* instructions a byte of SHA-256, about AOS's cost */
#define LOAD_COST 4   /* and of a model that is loaded and checked .. */
#define OPEN_COST 40000000 /* .. whatever its size */
#define LOAD_MAX ((uint64_t)200 << 20)
#define PIECE ((size_t)256 << 10)
#define MAX_DEPTH 8

struct vm {
    lua_State *lua;
    uint64_t used, max_instructions;
    size_t memory, max_memory;
    vm_find_fn *find;  /* a model; NULL: there are none */
    void *find_self;
    uint64_t now_ms;   /* of the message at hand */
    int model;         /* a copy of one while it is opened, or -1 */
};

/* ---- ceilings ------------------------------------------------------------ */

static void *allocate(void *self, void *old, size_t n_old, size_t n)
{
    struct vm *vm = self;
    void *p;

    if (!old)
        n_old = 0; /* it says what the memory is for */
    if (n == 0) {
        free(old);
        vm->memory -= n_old;
        return NULL;
    }
    if (n > n_old && n - n_old > vm->max_memory - vm->memory)
        return NULL;
    p = realloc(old, n);
    if (p)
        vm->memory += n - n_old;
    return p;
}

static struct vm *vm_of(lua_State *lua)
{
    void *self;

    lua_getallocf(lua, &self);
    return self;
}

static void hook(lua_State *lua, lua_Debug *where)
{
    struct vm *vm = vm_of(lua);

    (void)where;
    vm->used += HOOK_EVERY;
    if (vm->used <= vm->max_instructions)
        return;
    /* at each instruction from here on, so that pcall does not help */
    lua_sethook(lua, hook, LUA_MASKCOUNT, HOOK_AFTER);
    luaL_error(lua, "out of gas!");
}

/* ---- what Lua may call --------------------------------------------------- */

static int native_sha256(lua_State *lua)
{
    struct vm *vm = vm_of(lua);
    struct id sum;
    size_t n;
    const char *s = luaL_checklstring(lua, 1, &n);

    vm->used += n * HASH_COST;
    if (vm->used > vm->max_instructions)
        return luaL_error(lua, "out of gas!");
    digest(&sum, s, n);
    lua_pushlstring(lua, (char *)sum.b, sizeof(sum));
    return 1;
}

/* charge(n): what is not computed by Lua counts, too; less than 0 gives back */
static int native_charge(lua_State *lua)
{
    struct vm *vm = vm_of(lua);
    double used = (double)vm->used + luaL_checknumber(lua, 1);

    if (used <= (double)vm->max_instructions) {
        vm->used = used > 0 ? (uint64_t)used : 0;
        return 0;
    }
    vm->used = vm->max_instructions + 1;
    lua_sethook(lua, hook, LUA_MASKCOUNT, HOOK_AFTER);
    return luaL_error(lua, "out of gas!");
}

/* module(name, value): what require(name) gives */
static int native_module(lua_State *lua)
{
    luaL_checkstring(lua, 1);
    lua_getfield(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_insert(lua, 1);
    lua_settable(lua, 1);
    return 0;
}

static const luaL_Reg natives[] = {
    { "sha256", native_sha256 },
    { "charge", native_charge },
    { "module", native_module },
    { NULL, NULL }
};

/* ---- models -------------------------------------------------------------- */

static void close_model(struct vm *vm)
{
    if (vm->model >= 0)
        close(vm->model);
    vm->model = -1;
}

static int copy_bytes(int to, int from, const struct vm_file *f,
                      struct err *err)
{
    char *piece = xmalloc(PIECE);
    uint64_t done = 0;
    int rc = 0;

    while (rc == 0 && done < f->n) {
        size_t n = f->n - done < PIECE ? (size_t)(f->n - done) : PIECE;

        if (file_read_at(from, piece, n, f->at + done) != (ssize_t)n ||
            write(to, piece, n) != (ssize_t)n)
            rc = err_set(err, ERR_FATAL, "cannot read a model of %" PRIu64
                         " bytes", f->n);
        done += n;
    }
    free(piece);
    return rc;
}

/* The engine opens whole files: a copy in memory is one. */
static int copy_model(struct vm *vm, const struct vm_file *f, struct err *err)
{
    int from = open(f->path, O_RDONLY | O_CLOEXEC), rc = -1;

    vm->model = memfd_create("model", MFD_CLOEXEC);
    if (from < 0 || vm->model < 0)
        err_errno(err, ERR_FATAL, "cannot read a model");
    else
        rc = copy_bytes(vm->model, from, f, err);
    if (from >= 0)
        close(from);
    return rc;
}

static char *find_model(void *self, const char *name, struct err *err)
{
    struct vm_file f = { NULL, 0, 0 };
    struct vm *vm = self;
    int rc;

    close_model(vm);
    if (!vm->find) {
        err_set(err, ERR_INPUT, "cannot open \"%.80s\": there are no files"
                " here", name);
        return NULL;
    }
    rc = vm->find(vm->find_self, name, vm->now_ms, &f, err);
    if (rc == 0 && f.n > LOAD_MAX)
        rc = err_set(err, ERR_INPUT, "a model of %" PRIu64 " bytes: one message"
                     " loads %" PRIu64 " at most", f.n, LOAD_MAX);
    if (rc == 0) {
        vm->used += f.n * LOAD_COST + OPEN_COST;
        rc = vm->used > vm->max_instructions
                 ? err_set(err, ERR_INPUT, "out of gas!")
                 : copy_model(vm, &f, err);
    }
    free(f.path);
    return rc ? NULL : xasprintf("/proc/self/fd/%d", vm->model);
}

void vm_files(struct vm *vm, vm_find_fn *find, void *self)
{
    vm->find = find;
    vm->find_self = self;
}

/* ---- making one ---------------------------------------------------------- */

static const luaL_Reg libraries[] = {
    { "_G", luaopen_base },
    { LUA_LOADLIBNAME, luaopen_package },
    { LUA_COLIBNAME, luaopen_coroutine },
    { LUA_TABLIBNAME, luaopen_table },
    { LUA_OSLIBNAME, luaopen_os },
    { LUA_STRLIBNAME, luaopen_string },
    { LUA_MATHLIBNAME, luaopen_math },
    { LUA_UTF8LIBNAME, luaopen_utf8 },
    { LUA_DBLIBNAME, luaopen_debug },
    { LUA_BITLIBNAME, luaopen_bit32 },
    { NULL, NULL }
};

/* What reaches out of the state, or into its insides. */
static const char outward[] =
    "dofile, loadfile = nil, nil\n"
    "debug = { traceback = debug.traceback, getinfo = debug.getinfo }\n"
    "os = { date = os.date, difftime = os.difftime,\n"
    "    clock = function() return 0 end }\n"
    "local date = os.date\n"
    "os.date = function(f, t) return date(f or '%c', t or os.time() // 1000)\n"
    "end\n"
    "package.searchers = { package.searchers[1] }\n"
    "package.loadlib, package.searchpath = nil, nil\n"
    "package.loaded.debug, package.loaded.os = debug, os\n";

/* A text of ours as a function, on the stack. */
static int load_text(lua_State *lua, const char *name, const char *text)
{
    return luaL_loadbuffer(lua, text, strlen(text), name);
}

/* engine.lua, with the texts that a module has, too. */
static void open_engine(lua_State *lua)
{
    static const struct {
        const char *name, *text;
    } texts[] = { { "apus", lua_apus }, { "serve", lua_serve },
                  { "queue", lua_queue } };

    if (load_text(lua, "=.engine", lua_engine))
        lua_error(lua);
    luaL_newlib(lua, natives);
    engine_lua_push(lua, find_model, vm_of(lua));
    lua_newtable(lua);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        lua_pushstring(lua, texts[i].text);
        lua_setfield(lua, -2, texts[i].name);
    }
    lua_call(lua, 3, 0);
}

/* Runs under lua_pcall: any failure is a Lua error. */
static int open_all(lua_State *lua)
{
    for (const luaL_Reg *l = libraries; l->func; l++) {
        luaL_requiref(lua, l->name, l->func, 1);
        lua_pop(lua, 1);
    }
    if (load_text(lua, "=outward", outward))
        return lua_error(lua);
    lua_call(lua, 0, 0);
    luaL_getsubtable(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (load_text(lua, "=json", lua_json))
        return lua_error(lua);
    lua_call(lua, 0, 1);
    lua_setfield(lua, -2, "json");
    if (load_text(lua, "=.bint", lua_bint))
        return lua_error(lua);
    lua_call(lua, 0, 1);
    lua_setfield(lua, -2, ".bint");
    lua_pop(lua, 1);
    if (load_text(lua, "=.handlers", lua_handlers))
        return lua_error(lua);
    lua_call(lua, 0, 0);
    if (load_text(lua, "=.process", lua_aos))
        return lua_error(lua);
    luaL_newlib(lua, natives);
    lua_call(lua, 1, 1);
    lua_setfield(lua, LUA_REGISTRYINDEX, "handle");
    open_engine(lua);
    return 0;
}

int vm_new(struct vm **out, uint64_t max_instructions, size_t max_memory,
           struct err *err)
{
    struct vm *vm = xcalloc(1, sizeof(*vm));

    vm->max_instructions = max_instructions;
    vm->max_memory = max_memory;
    vm->model = -1;
    vm->lua = lua_newstate(allocate, vm);
    if (!vm->lua) {
        free(vm);
        return err_set(err, ERR_FATAL, "no memory for a Lua state");
    }
    lua_pushcfunction(vm->lua, open_all);
    if (lua_pcall(vm->lua, 0, 0, 0)) {
        err_set(err, ERR_FATAL, "Lua: %s", lua_tostring(vm->lua, -1));
        vm_free(vm);
        return -1;
    }
    *out = vm;
    return 0;
}

void vm_free(struct vm *vm)
{
    if (!vm)
        return;
    lua_close(vm->lua);
    close_model(vm);
    free(vm);
}

int vm_check(const char *file, const char *text, size_t n, struct err *err)
{
    char *name = xasprintf("@%s", file);
    lua_State *lua = luaL_newstate();
    int rc = 0;

    if (!lua)
        rc = err_set(err, ERR_FATAL, "no memory for a Lua state");
    else if (luaL_loadbufferx(lua, text, n, name, "t"))
        rc = err_set(err, ERR_INPUT, "%s", lua_tostring(lua, -1));
    if (lua)
        lua_close(lua);
    free(name);
    return rc;
}

/* ---- values in ----------------------------------------------------------- */

void vm_put_string(struct buf *b, const char *s, size_t n)
{
    buf_putc(b, 's');
    buf_put_u32(b, (uint32_t)n);
    buf_put(b, s, n);
}

void vm_put_text(struct buf *b, const char *text)
{
    vm_put_string(b, text, strlen(text));
}

void vm_put_int(struct buf *b, uint64_t n)
{
    buf_putc(b, 'i');
    buf_put_u64(b, n);
}

void vm_put_bool(struct buf *b, bool value)
{
    buf_putc(b, value ? 't' : 'f');
}

void vm_put_list(struct buf *b, size_t n)
{
    buf_putc(b, '[');
    buf_put_u32(b, (uint32_t)n);
}

void vm_put_table(struct buf *b, size_t n)
{
    buf_putc(b, '{');
    buf_put_u32(b, (uint32_t)n);
}

void vm_put_tag(struct buf *b, const char *name, size_t n_name,
                const char *value, size_t n_value)
{
    vm_put_table(b, 2);
    vm_put_text(b, "name");
    vm_put_string(b, name, n_name);
    vm_put_text(b, "value");
    vm_put_string(b, value, n_value);
}

struct vm_request {
    const char *p;
    size_t n;
};

static const char *pop_result(lua_State *lua, struct vm_request *r, size_t n)
{
    const char *p = r->p;

    if (n > r->n)
        luaL_error(lua, "a request that is cut off");
    r->p += n;
    r->n -= n;
    return p;
}

static void push_value(lua_State *lua, struct vm_request *r, unsigned depth)
{
    char kind = *pop_result(lua, r, 1);
    uint32_t n;

    luaL_checkstack(lua, 4, "request");
    if (kind == 't' || kind == 'f') {
        lua_pushboolean(lua, kind == 't');
        return;
    }
    if (kind == 'i') {
        lua_pushinteger(lua, (lua_Integer)get_u64(pop_result(lua, r, 8)));
        return;
    }
    n = get_u32(pop_result(lua, r, 4));
    if (kind == 's') {
        lua_pushlstring(lua, pop_result(lua, r, n), n);
        return;
    }
    if ((kind != '[' && kind != '{') || depth > MAX_DEPTH || n > r->n)
        luaL_error(lua, "a request that is none");
    lua_newtable(lua);
    for (uint32_t i = 0; i < n; i++) {
        if (kind == '{')
            push_value(lua, r, depth + 1);
        else
            lua_pushinteger(lua, (lua_Integer)i + 1);
        push_value(lua, r, depth + 1);
        lua_rawset(lua, -3);
    }
}

/* ---- evaluating ---------------------------------------------------------- */

/* handle(msg, env), under lua_pcall, with the request as its argument. */
static int call_handle(lua_State *lua)
{
    struct vm_request *r = lua_touserdata(lua, 1);

    lua_getfield(lua, LUA_REGISTRYINDEX, "handle");
    push_value(lua, r, 0);
    if (lua_istable(lua, -1)) {
        lua_getfield(lua, -1, "Timestamp");
        vm_of(lua)->now_ms = (uint64_t)lua_tointeger(lua, -1);
        lua_pop(lua, 1);
    }
    push_value(lua, r, 0);
    lua_call(lua, 2, 3);
    return 3;
}

/* Text of Lua as UTF-8, with its length in front. */
static void put_clean(struct buf *b, const char *s, size_t n)
{
    size_t at = b->len;

    buf_put_u32(b, 0);
    utf8_scrub(b, s, n);
    if (!b->full)
        set_u32(b->data + at, (uint32_t)(b->len - at - 4));
}

void vm_put_failure(struct buf *reply, const char *text)
{
    struct buf json, clean;

    buf_init(&clean, reply->max);
    buf_init(&json, reply->max);
    utf8_scrub(&clean, text, strlen(text));
    buf_puts(&json, "{\"Messages\":[],\"Spawns\":[],\"Assignments\":[],"
             "\"Output\":[],\"Error\":");
    json_put_string(&json, clean.data ? clean.data : "", clean.len);
    buf_puts(&json, ",\"GasUsed\":0}");
    buf_reset(reply);
    put_clean(reply, json.data, json.len);
    buf_clear(&json);
    buf_clear(&clean);
}

static void put_sent(lua_State *lua, struct buf *reply)
{
    size_t count = lua_rawlen(lua, -1), n;

    for (size_t i = 1; i <= count; i++) {
        const char *s;

        lua_rawgeti(lua, -1, (lua_Integer)i);
        s = lua_tolstring(lua, -1, &n);
        put_clean(reply, s ? s : "", s ? n : 0);
        lua_pop(lua, 1);
    }
}

int vm_eval(struct vm *vm, const void *request, size_t n, struct buf *reply)
{
    struct vm_request r = { request, n };
    lua_State *lua = vm->lua;
    const char *json;
    size_t n_json;
    bool failed;

    vm->used = 0;
    lua_settop(lua, 0);
    lua_sethook(lua, hook, LUA_MASKCOUNT, HOOK_EVERY);
    lua_pushcfunction(lua, call_handle);
    lua_pushlightuserdata(lua, &r);
    failed = lua_pcall(lua, 1, 3, 0) != 0;
    close_model(vm);
    if (failed) {
        const char *why = lua_tostring(lua, -1);

        vm_put_failure(reply, why ? why : "an error that is not text");
        return -1;
    }
    if (vm->used > vm->max_instructions) {
        vm_put_failure(reply, "out of gas!");
        return -1;
    }
    failed = lua_toboolean(lua, 1);
    json = lua_tolstring(lua, 2, &n_json);
    put_clean(reply, json, n_json);
    put_sent(lua, reply);
    lua_settop(lua, 0);
    if (reply->full) {
        vm_put_failure(reply, "the result is too long");
        return -1;
    }
    return failed ? -1 : 0;
}

const char *vm_library(void)
{
    return LUA_RELEASE;
}
