/*
 * require("apus.engine"): the engine for Lua 5.3, one binding for modules of
 * AO, for the processes of apus localnet and for a plain Lua.
 *
 *   open(name [, kernel [, most]])  a model file: its id, 43 characters; one
 *                          of more than `most` bytes is refused unread
 *   start(line [, id])     begin the answer to a line of the OpenAI Batch API
 *                          under a request id (64 hexadecimal digits, or 43
 *                          characters; else the id that apus run gives the
 *                          line): how many tokens its prompt has
 *   step([n])              compute at most n positions: whether it is done,
 *                          and how many were computed
 *   answer()               a table: text, tokens, finish, prompt_tokens,
 *                          positions; request and model; job, trace and
 *                          result, which are the record's, in hexadecimal
 *   figures()              of the model that is open: weights, heads, channels,
 *                          context and bytes, on which time depends; chat,
 *                          whether it has a template; kernel
 *   sha256(text)           32 bytes
 *
 * What fails gives nil and a text; nothing raises an error but a want of
 * memory of Lua itself.  A model and a half-computed answer live as long as the
 * Lua state, one of each.
 */
#ifndef APUS_LUA_ENGINE_LUA_H
#define APUS_LUA_ENGINE_LUA_H

struct err;
struct lua_State;

/* Where the file is that a process calls `name`: a path, which the caller
 * frees, or NULL with the reason. */
typedef char *engine_lua_find_fn(void *self, const char *name,
                                 struct err *err);

/* Push the table.  find NULL: names are paths. */
void engine_lua_push(struct lua_State *lua, engine_lua_find_fn *find,
                     void *self);

/* The same for require, names being paths. */
int luaopen_apus_engine(struct lua_State *lua);

#endif
