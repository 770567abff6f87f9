/*
 * The level "amx" on emulated tiles, for programs that are linked with this
 * file before libapus.a, and so have it in place of the one there: on a CPU
 * with AVX-512 VNNI they know one level more, and no other program does.
 * Three tiles of k at a time, so that sums wait between them, too.
 */
#include <config.h>

#include "tests/emulated_tiles.h"

#define K_TILES 3
#include "kernels/x86/amx.c"

#if defined(__x86_64__) && defined(__GNUC__)
enum x1_amx x1_amx_ask(void)
{
    return X1_AMX_GIVEN;
}
#endif
