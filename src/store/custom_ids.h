/*
 * Lines of a file of requests that have the same custom_id: OpenAI's form wants
 * them to differ, and joining answers by them gives the wrong ones.
 */
#ifndef APUS_STORE_CUSTOM_IDS_H
#define APUS_STORE_CUSTOM_IDS_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* 24 bytes for each that was added. */
struct custom_ids {
    struct custom_id_entry *entry;
    size_t n, capacity;
};
void custom_ids_init(struct custom_ids *c);
void custom_ids_clear(struct custom_ids *c);

/* Add that of a line, counted from 1; NULL and "" are none. */
void custom_ids_add(struct custom_ids *c, const char *custom_id,
                    uint64_t line);

/* Write "lines 2 and 7 have the same custom_id (3 lines have that of an earlier
 * one)", or "" if all differ. */
#define CUSTOM_IDS_TEXT 160
void custom_ids_text(char out[CUSTOM_IDS_TEXT], struct custom_ids *c);

/* The same of a file of requests, which is read through. */
int custom_ids_look(char out[CUSTOM_IDS_TEXT], const char *path,
                    struct err *err);

#endif
