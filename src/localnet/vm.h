/*
 * A process of AO as an evaluator has it: a Lua 5.3 state with what AOS gives a
 * process (aos.lua, handlers.lua, json.lua, bint.lua) and with the engine
 * (engine.lua), without files, system calls or the clock, with a ceiling on
 * memory and on instructions.  It is not undone here when an evaluation fails:
 * see evaluator.h.
 */
#ifndef APUS_LOCALNET_VM_H
#define APUS_LOCALNET_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct vm;

/* About what the metered module of the network allows. */
#define VM_INSTRUCTIONS UINT64_C(1000000000)
#define VM_MEMORY ((size_t)512 << 20)

/* n bytes of the file path from `at` on; whoever gets one frees the path. */
struct vm_file {
    char *path;
    uint64_t at, n;
};

/* Find the file that a process calls `name`, as things stood at the time of a
 * message, so that an evaluation can be repeated.  ERR_INPUT with the reason if
 * it has none. */
typedef int vm_find_fn(void *self, const char *name, uint64_t now_ms,
                       struct vm_file *file, struct err *err);

int vm_new(struct vm **out, uint64_t max_instructions, size_t max_memory,
           struct err *err);
void vm_free(struct vm *vm);

/* Let it open models, which `find` finds. */
void vm_files(struct vm *vm, vm_find_fn *find, void *self);

/* Values on their way into it, appended to a request: a request is the message
 * and then the environment, both tables. */
void vm_put_string(struct buf *b, const char *s, size_t n);
void vm_put_text(struct buf *b, const char *text);
void vm_put_int(struct buf *b, uint64_t n);
void vm_put_bool(struct buf *b, bool value);
void vm_put_list(struct buf *b, size_t n);  /* then n values */
void vm_put_table(struct buf *b, size_t n); /* then n names and values */
/* One of the n tags of a list: {name, value}. */
void vm_put_tag(struct buf *b, const char *name, size_t n_name,
                const char *value, size_t n_value);

/* Evaluate.  *reply gets u32 n and n bytes, the JSON of a compute unit (valid
 * UTF-8); then, each as u32 n and n bytes, the texts of what is to be sent:
 * "message" or "spawn", target, data, anchor, number of tags, and per tag its
 * name and value.  0, or -1 if it failed: the JSON has "Error" and nothing is
 * to be sent. */
int vm_eval(struct vm *vm, const void *request, size_t n, struct buf *reply);

/* Whether a file's text is Lua: 0, or ERR_INPUT with file and line.  Nothing
 * of it runs. */
int vm_check(const char *file, const char *text, size_t n, struct err *err);

/* A reply that says that it failed. */
void vm_put_failure(struct buf *reply, const char *text);

/* Name and version of the library below, static. */
const char *vm_library(void);

#endif
