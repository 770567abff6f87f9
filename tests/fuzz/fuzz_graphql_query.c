/*
 * graphql_query on any text: what it says is well-formed is still only text,
 * within its ceiling, and json_parse has the last word.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "localnet/graphql_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char vars[] = "{\"a\":[1,\"x\"],\"b\":null}";
    struct json *variables, *root = NULL;
    struct err err = ERR_INIT;
    char *query = malloc(size + 1);
    struct buf out;

    memcpy(query, data, size);
    query[size] = '\0';
    if (json_parse(&variables, vars, strlen(vars), &err))
        abort();
    buf_init(&out, 65536);
    if (graphql_query(&out, query, variables, &err) == 0) {
        if (json_parse(&root, out.data, out.len, &err) == 0 &&
            json_type(root) != JSON_ARRAY)
            abort();
    } else if (err.code != ERR_INPUT) {
        abort();
    }
    json_free(root);
    json_free(variables);
    buf_clear(&out);
    free(query);
    return 0;
}
