/*
 * What the files of the level "amx" share.  Included first: all that follows is
 * compiled for AVX-512 with VNNI; tile instructions are assembly.
 */
#ifndef APUS_KERNELS_X86_AMX_H
#define APUS_KERNELS_X86_AMX_H

#include "kernels/x86/vnni.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <string.h>

#include "kernels/x86/tiles.h"

/* Configure register i with rows[i] rows of bytes[i] bytes, neither 0.  A
 * product takes c of m rows x 4 n bytes, a of m x 4 k, b of k x 4 n: shapes
 * that do not fit are a fault of the instruction.  The calling thread releases
 * its tiles before it returns from a kernel, so that the system does not save
 * 8 KB whenever it changes threads. */
INLINE void configure_tiles(const uint8_t rows[TILES],
                            const uint8_t bytes[TILES])
{
    struct tile_config c;

    memset(&c, 0, sizeof(c));
    c.palette = 1;
    for (int i = 0; i < TILES; i++) {
        c.rows[i] = rows[i];
        c.bytes[i] = bytes[i];
    }
    tile_configure(&c);
}

/* kernels.h has its contract; blocks are as pages.h has them, scratch is as
 * large as vnni_attention_bytes says. */
void amx_attention(struct x1_query *query, size_t m, struct x1_scoring c,
                   const struct x1_blocks *kv, size_t hd, void *scratch);

#endif

#endif
