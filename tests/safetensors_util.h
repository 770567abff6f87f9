/*
 * Making safetensors files for tests.  Numbers are small and the same in
 * every dtype: multiples of 1/8 below 2 that differ from tensor to tensor.
 */
#ifndef APUS_TESTS_SAFETENSORS_UTIL_H
#define APUS_TESTS_SAFETENSORS_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"

struct st_tensor {
    char name[80];
    char dtype[8];
    unsigned rows, cols; /* cols 0: a vector */
    size_t size;
    unsigned char *data;
};

struct st_file {
    struct st_tensor t[64];
    size_t n;
};

size_t st_width(const char *dtype);

/* One of 31 values, exact in every dtype. */
float st_value(size_t tensor, size_t i);

void st_number(unsigned char *p, const char *dtype, float v);

void st_add(struct st_file *f, const char *name, const char *dtype,
            unsigned rows, unsigned cols);

struct st_tensor *st_find(struct st_file *f, const char *name);

unsigned char *st_data(struct st_file *f, const char *name);

void st_drop(struct st_file *f, const char *name);

void st_clear(struct st_file *f);

/* Header and data of the file. */
void st_bytes(struct buf *out, const struct st_file *f);

void st_write(const struct st_file *f, const char *path);

#endif
