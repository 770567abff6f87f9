/*
 * chat_recognise on any bytes.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "text/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum chat_kind kind = CHAT_NONE;

    if (!chat_recognise(&kind, (const char *)data, size, NULL) &&
        (kind == CHAT_NONE) != (size == 0))
        abort();
    return 0;
}
