/*
 * graphql_args on any text: what it says is well-formed is still only text,
 * within its ceiling, and json_parse has the last word.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "localnet/graphql_args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char vars[] = "{\"a\":[1,\"x\"],\"b\":null}";
    struct json *variables, *root = NULL;
    struct err err = ERR_INIT;
    char *query = malloc(size + 16);
    struct buf out;

    strcpy(query, "transactions");
    memcpy(query + 12, data, size);
    query[12 + size] = '\0';
    if (json_parse(&variables, vars, strlen(vars), &err))
        abort();
    buf_init(&out, 65536);
    if (graphql_args(&out, query, variables) == 0 &&
        json_parse(&root, out.data, out.len, &err) == 0 &&
        json_type(root) != JSON_OBJECT)
        abort();
    json_free(root);
    json_free(variables);
    buf_clear(&out);
    free(query);
    return 0;
}
