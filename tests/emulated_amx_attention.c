/* As emulated_amx.c, the attention. */
#include <config.h>

#include "tests/emulated_tiles.h"

#include "kernels/x86/amx_attention.c"
