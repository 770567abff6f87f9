/*
 * What scenarios need to speak to localnet, since curl and signing are no
 * tools of sh:
 *
 *     netcall sign WALLET [TARGET|- [NAME=VALUE]...] <data >item
 *     netcall id <item              its id
 *     netcall bundle ITEM... >data  a bundle of these files
 *     netcall address WALLET
 *     netcall answer REQUEST MODEL MAX_TOKENS TEXT
 *                                   a line of Complete: an answer made up, to a
 *                                   request with the default parameters else
 *     netcall tx <json              its id, if it is a signed transaction
 *     netcall post URL [HEADER]... <body
 *     netcall get URL [HEADER]...   prints the status, then the body
 *     netcall head URL [HEADER]...  prints the status, then the head
 *     netcall head URL [HEADER]...  prints the status, then the head
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "arweave/item.h"
#include "arweave/key.h"
#include "arweave/tx.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "net/http.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "store/request.h"

#define BODY_MAX ((size_t)512 << 20)
#define MAX_TAGS 64

static int fail(const struct err *err)
{
    fprintf(stderr, "netcall: %s\n", err->text);
    return 1;
}

static void read_input(struct buf *b)
{
    char piece[65536];
    size_t n;

    buf_init(b, BODY_MAX);
    while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
        buf_put(b, piece, n);
}

static int sign(int argc, char **argv)
{
    struct item_text_tag tag[MAX_TAGS];
    struct item_spec spec = { .tag = tag };
    struct id target, anchor, id;
    struct key *key = NULL;
    struct err err = ERR_INIT;
    struct buf data, item;
    int rc;

    for (int i = 2; i < argc && spec.n_tags < MAX_TAGS; i++) {
        char *is = strchr(argv[i], '=');

        if (!is)
            return err_set(&err, ERR_INPUT, "no =") ? fail(&err) : 0;
        *is = '\0';
        tag[spec.n_tags++] = (struct item_text_tag){ argv[i], is + 1 };
    }
    if (argc > 1 && id_parse(&target, argv[1]) == 0)
        spec.target = &target;
    spec.anchor = &anchor;
    read_input(&data);
    buf_init(&item, BODY_MAX);
    rc = key_random(anchor.b, 32, &err) || key_load(&key, argv[0], &err) ||
         item_sign(&item, &spec, data.data, data.len, key, &id, &err);
    if (rc == 0)
        fwrite(item.data, 1, item.len, stdout);
    key_free(key);
    buf_clear(&data);
    buf_clear(&item);
    return rc ? fail(&err) : 0;
}

static int print_id(struct id id)
{
    puts(id_text(id).s);
    return 0;
}

static int item_id(void)
{
    struct err err = ERR_INIT;
    struct item it;
    struct buf b;
    int rc;

    read_input(&b);
    rc = item_open(&it, b.data, b.len, &err);
    if (rc == 0)
        print_id(it.id);
    buf_clear(&b);
    return rc ? fail(&err) : 0;
}

static int transaction(void)
{
    struct err err = ERR_INIT;
    struct tx tx;
    struct buf b;
    int rc;

    read_input(&b);
    rc = tx_check(&tx, b.data, b.len, NULL, &err);
    if (rc == 0) {
        print_id(tx.id);
        tx_clear(&tx);
    }
    buf_clear(&b);
    return rc ? fail(&err) : 0;
}

static int bundle(int n, char **file)
{
    struct bundle_entry e[MAX_TAGS];
    struct err err = ERR_INIT;
    struct buf head, items;
    struct item it;
    int rc = n > MAX_TAGS ? -1 : 0;

    buf_init(&head, BODY_MAX);
    buf_init(&items, BODY_MAX);
    for (int i = 0; i < n && rc == 0; i++) {
        size_t before = items.len;

        rc = file_read(&items, file[i], &err) ||
             item_open(&it, items.data + before, items.len - before, &err);
        e[i].id = it.id;
        e[i].size = items.len - before;
    }
    rc = rc || bundle_head(&head, e, (size_t)n, &err);
    fwrite(head.data, 1, rc ? 0 : head.len, stdout);
    fwrite(items.data, 1, rc ? 0 : items.len, stdout);
    buf_clear(&head);
    buf_clear(&items);
    return rc ? fail(&err) : 0;
}

static int address(const char *wallet)
{
    struct id a;
    struct err err = ERR_INIT;
    struct key *key;

    if (key_load(&key, wallet, &err))
        return fail(&err);
    key_address(key, &a);
    key_free(key);
    return print_id(a);
}

/* One of two tokens to a prompt of three. */
static int answer(const char *request, const char *model, const char *most,
                  const char *text)
{
    struct job_record job = {
        .numerics = 1, .n_prompt = 3, .temperature = 1000000,
        .top_p = 1000000, .max_tokens = (uint32_t)strtoul(most, NULL, 10),
    };
    struct result_record res = { .n = 4, .n_out = 2 };
    unsigned char record[RESULT_RECORD_SIZE], packed[JOB_RECORD_SIZE];
    char out[2][RESULT_RECORD_SIZE * 2];

    if (id_parse(&res.request, request) || id_parse(&job.model, model))
        return 2;
    job.seed = request_default_seed(res.request);
    job_record_stops(&job, NULL, 0, NULL);
    res.model = job.model;
    job_record_id(&res.job, &job);
    result_record_text(&res, text, strlen(text));
    result_record_pack(record, &res);
    job_record_pack(packed, &job);
    base64url(out[0], record, sizeof(record));
    base64url(out[1], packed, sizeof(packed));
    printf("{\"request\":\"%s\",\"choice\":\"0\",\"record\":\"%s\","
           "\"jobrecord\":\"%s\",\"item\":\"%s\",\"text\":\"%s\"}\n",
           request, out[0], out[1], request, text);
    return 0;
}

static int call(const char *method, char **argv)
{
    const struct http_limits limits = { .connect_s = 5, .stall_s = 30,
                                        .total_s = 60 };
    struct http_request r = { .method = method, .url = argv[0],
                              .header = (const char *const *)argv + 1,
                              .max_body = BODY_MAX };
    struct http_answer a;
    struct http *h = NULL;
    struct err err = ERR_INIT;
    struct buf body;
    int rc;

    buf_init(&body, BODY_MAX);
    if (strcmp(method, "POST") == 0)
        read_input(&body);
    r.body = body.data;
    r.body_n = body.len;
    http_answer_init(&a);
    rc = http_new(&h, &limits, &err) || http_do(h, &r, &a, &err);
    if (rc == 0) {
        const struct buf *said = strcmp(method, "HEAD") == 0 ? &a.head
                                                             : &a.body;

        printf("%d\n", a.status);
        fwrite(said->data, 1, said->len, stdout);
    }
    http_answer_clear(&a);
    http_free(h);
    buf_clear(&body);
    return rc ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "sign") == 0 && argc > 2)
        return sign(argc - 2, argv + 2);
    if (strcmp(what, "bundle") == 0 && argc > 2)
        return bundle(argc - 2, argv + 2);
    if (strcmp(what, "id") == 0)
        return item_id();
    if (strcmp(what, "tx") == 0)
        return transaction();
    if (strcmp(what, "address") == 0 && argc > 2)
        return address(argv[2]);
    if (strcmp(what, "post") == 0 && argc > 2)
        return call("POST", argv + 2);
    if (strcmp(what, "get") == 0 && argc > 2)
        return call("GET", argv + 2);
    if (strcmp(what, "head") == 0 && argc > 2)
        return call("HEAD", argv + 2);
    if (strcmp(what, "answer") == 0 && argc > 5)
        return answer(argv[2], argv[3], argv[4], argv[5]);
    fputs("usage: netcall sign|bundle|id|address|answer|tx|post|get|head ...\n",
          stderr);
    return 2;
}
