/*
 * A query of GraphQL (October 2021, section 2) as JSON: one operation `query`,
 * its fields with their arguments.  Variables and their defaults are put in,
 * names of an enum become strings.  What is selected of a field's answer is
 * read over, fragments too.
 */
#ifndef APUS_LOCALNET_GRAPHQL_QUERY_H
#define APUS_LOCALNET_GRAPHQL_QUERY_H

struct buf;
struct err;
struct json;

/* Append [{"as":alias or name,"field":name,"args":{..}}..]; variables may be
 * NULL.  ERR_INPUT, which names it, for anything else; what is appended is for
 * json_parse to judge. */
int graphql_query(struct buf *out, const char *query,
                  const struct json *variables, struct err *err);

#endif
