/*
 * The device of a build without CUDA.
 */
#include <config.h>

#include "backend/cuda/cuda.h"

#include "base/buf.h"
#include "base/err.h"

int cuda_open(struct backend **out, const struct cuda_options *o,
              struct err *err)
{
    (void)out;
    (void)o;
    return err_set(err, ERR_INPUT, "this build has no GPU kernels:"
                   " configure --with-cuda builds them");
}

bool cuda_claimed(void)
{
    return false;
}

const char *cuda_text(const struct backend *b)
{
    (void)b;
    return "";
}

void cuda_look(struct buf *out, const char *libs)
{
    (void)libs;
    buf_printf(out, "none this build has no GPU kernels (configure"
               " --with-cuda)\n");
}
