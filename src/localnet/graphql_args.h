/*
 * The arguments of the field `transactions` in a query of GraphQL, as JSON:
 * variables are put in, names of an enum become strings.
 */
#ifndef APUS_LOCALNET_GRAPHQL_ARGS_H
#define APUS_LOCALNET_GRAPHQL_ARGS_H

struct buf;
struct json;

/* Append them as an object; variables may be NULL.  -1 if there is no such
 * field, if they are not well-formed, or if out is full; what is appended is
 * for json_parse to judge. */
int graphql_args(struct buf *out, const char *query,
                 const struct json *variables);

#endif
