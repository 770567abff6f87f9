/*
 * src/arweave/item and bundle: what is signed is read again, in whole and in
 * pieces of every size; limits when writing; each byte that can be changed is
 * found; bundles.  (Items of others are in arweave-vectors.)
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "arweave/item.h"
#include "arweave/key.h"
#include "arweave/tags.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "tests/arweave_util.h"
#include "tests/tap.h"

#define ROOM (1u << 20)

static const struct id target = { "target" }, anchor = { "anchor" };

static void test_round(const struct key *k)
{
    const struct item_text_tag tags[] = {
        { "App", "apus" }, { "Twice", "1" }, { "Twice", "2" },
        { "Id", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
    };
    struct item_spec spec = { &target, &anchor, tags, 4 };
    struct id id, address, got;
    struct err err = ERR_INIT;
    struct item it;
    struct buf b;
    char text[8];

    buf_init(&b, ROOM);
    buf_puts(&b, "before");
    ok(item_sign(&b, &spec, "data", 4, k, &id, &err) == 0, "sign %s", err.text);
    ok(item_open(&it, b.data + 6, b.len - 6, &err) == 0, "open %s", err.text);
    key_address(k, &address);
    ok(it.type == ITEM_ARWEAVE && id_equal(it.id, id) &&
           id_equal(it.address, address) && id_equal(*it.target, target) &&
           id_equal(*it.anchor, anchor) && it.n_tags == 4 &&
           b.len - 6 - it.head_n == 4,
       "every field");
    ok(item_tag_get(&it, "App") && !item_tag_get(&it, "Twice") &&
       !item_tag_get(&it, "Ap"), "a tag by its name; none if it is doubled");
    ok(item_tag_text(&it, "App", text, sizeof(text)) == 0 &&
       strcmp(text, "apus") == 0 && item_tag_text(&it, "App", text, 4) == -1,
       "a tag as text, if it fits");
    ok(item_tag_id(&it, "Id", &got) == 0 && got.b[0] == 0 &&
           item_tag_id(&it, "App", &got) == -1,
       "a tag as an id");
    buf_clear(&b);
}

/* Byte i changed: refused, whatever it is part of. */
static void test_every_byte(const struct key *k)
{
    const struct item_text_tag tag = { "n", "v" };
    struct item_spec spec = { &target, &anchor, &tag, 1 };
    struct err err = ERR_INIT;
    struct id id;
    size_t taken = 0;
    struct item it;
    struct buf b;

    buf_init(&b, ROOM);
    item_sign(&b, &spec, "data", 4, k, &id, &err);
    for (size_t i = 0; i < b.len; i++) {
        /* of the two large numbers not every byte */
        if (i > 10 && i < 1020 && i % 37)
            continue;
        b.data[i] ^= 1;
        if (item_open(&it, b.data, b.len, &err) == 0) {
            printf("# byte %zu may be anything\n", i);
            taken++;
        }
        b.data[i] ^= 1;
    }
    ok(taken == 0, "each byte that is changed is found");
    taken = 0;
    for (size_t n = 0; n < b.len; n++)
        taken += item_open(&it, b.data, n, &err) == 0;
    ok(taken == 0, "each cut is found");
    ok(item_head(&it, b.data, 100, &err) == 1 &&
       item_head(&it, b.data, b.len - 4, &err) == 0 && it.head_n == b.len - 4,
       "a head that continues, and one that does not");
    buf_clear(&b);
}

static int put_pieces(struct item_stream *s, const struct buf *b, size_t size,
                      struct buf *data)
{
    for (size_t at = 0; at < b->len; at += size) {
        size_t n = b->len - at < size ? b->len - at : size, n_data;
        const void *piece;

        if (item_stream_put(s, b->data + at, n, &piece, &n_data, NULL))
            return -1;
        buf_put(data, piece, n_data);
    }
    return 0;
}

static void test_streams(const struct key *k)
{
    static const size_t sizes[] = { 1, 2, 7, 1044, 5000 };
    struct item_spec spec = { NULL, NULL, NULL, 0 };
    const struct item *it = NULL;
    struct err err = ERR_INIT;
    struct item_stream *s;
    struct id id;
    char content[3000];
    struct buf b, data;

    memset(content, 'x', sizeof(content));
    buf_init(&b, ROOM);
    buf_init(&data, ROOM);
    item_sign(&b, &spec, content, sizeof(content), k, &id, &err);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        s = item_stream_new(b.len);
        buf_reset(&data);
        ok(put_pieces(s, &b, sizes[i], &data) == 0 &&
               item_stream_end(s, &it, &err) == 0 && id_equal(it->id, id) &&
               data.len == sizeof(content) &&
               memcmp(data.data, content, data.len) == 0,
           "in pieces of %zu", sizes[i]);
        item_stream_free(s);
    }
    s = item_stream_new(b.len);
    ok(item_stream_put(s, b.data, b.len - 1, NULL, NULL, &err) == 0 &&
       item_stream_end(s, &it, &err) == -1, "%s", err.text);
    ok(item_stream_put(s, b.data, 2, NULL, NULL, &err) == -1, "%s", err.text);
    item_stream_free(s);
    s = item_stream_new(1000);
    ok(item_stream_put(s, b.data, 1000, NULL, NULL, &err) == 0 &&
       item_stream_end(s, &it, &err) == -1, "%s", err.text);
    item_stream_free(s);
    s = item_stream_new(b.len);
    b.data[b.len - 1] = 'y';
    ok(item_stream_put(s, b.data, b.len, NULL, NULL, &err) == 0 &&
       item_stream_end(s, &it, &err) == -1, "%s", err.text);
    item_stream_free(s);
    buf_clear(&b);
    buf_clear(&data);
}

/* Bytes of tags: how many there are, or what is wrong with them. */
static void test_tags(void)
{
    static const struct {
        const char *hex;
        int n; /* -1: refused with this text */
        const char *text;
    } rows[] = {
        { "", 0, "no bytes" },
        { "00", 0, "an array of none" },
        { "0202610262 00", 1, "one" },
        { "0202610262 0202630264 00", 2, "two blocks" },
        { "0108 02610262 00", 1, "a negative count and a length" },
        { "0308 02610262 00", -1, "extends past" },
        { "010a 02610262 00", -1, "not as long" },
        { "0106 02610262 00", -1, "not as long" },
        { "0107 02610262 00", -1, "extends past" },
        { "8200 02610262 00", 1, "a number with a byte too many" },
        { "828080808080808080 00 02610262 00", 1, "with eight" },
        { "82808080808080808000 02610262 8000", 1, "and in the last" },
        { "ffffffffffffffffff01 00", -1, "more than 128" },
        { "feffffffffffffffff01 00", -1, "more than 128" },
        { "ffffffffffffffffff02", -1, "more than 64 bits" },
        { "8080808080808080808000", -1, "more than 64 bits" },
        { "80", -1, "extends past" },
        { "0202610262", -1, "extends past" },
        { "0202610262 0000", -1, "after the last" },
        { "0202610262 00ff", -1, "after the last" },
        { "0200 0262 00", 1, "an empty name" },
        { "0202 61 00 00", 1, "an empty value" },
        { "0200 00 00", 1, "both empty" },
        { "0201 6100", -1, "below 0" },
        { "02ffffffffffffffffff01 6100", -1, "below 0" },
        { "02feffffffffffffffff01 6100", -1, "extends past" },
        { "02046102 6200", -1, "extends past" },
    };
    struct item_tag tag[ITEM_MAX_TAGS];

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        unsigned char bytes[64];
        struct err err = ERR_INIT;
        size_t n = 0, n_tags = 0;
        char hex[128];
        int rc;

        for (const char *p = rows[i].hex; *p; p++)
            if (*p != ' ')
                hex[n++] = *p;
        hex[n] = '\0';
        unhex(bytes, hex);
        rc = tags_read(tag, ITEM_MAX_TAGS, &n_tags, bytes, n / 2, &err);
        if (rows[i].n < 0)
            ok(rc == -1 && err.code == ERR_INPUT &&
               strstr(err.text, rows[i].text), "tags %s: %s", rows[i].hex,
               err.text);
        else
            ok(rc == 0 && n_tags == (size_t)rows[i].n, "tags %s: %s %s",
               rows[i].hex, rows[i].text, err.text);
    }
}

/* Where the signature says nothing: bytes of the head that it is not over. */
/* Empty and long ones are on Arweave: read, and told. */
static void test_odd(const struct key *k)
{
    static const struct {
        size_t n_name, n_value;
        const char *odd;
    } rows[] = {
        { 1, 0, "the value of tag 1 has 0 bytes" },
        { 0, 1, "the name of tag 1 has 0 bytes" },
        { 0, 0, "the name of tag 1 has 0 bytes" },
        { 1, 3072, NULL }, { 1, 3073, "the value of tag 1 has 3073 bytes" },
        { 1, 4089, "the value of tag 1 has 4089 bytes" },
        { 1024, 1, NULL }, { 1025, 1, "the name of tag 1 has 1025 bytes" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct item_stream *s;
        const struct item *it;
        struct err err = ERR_INIT;
        struct item whole;
        char odd[128] = "";
        struct buf b;
        bool is_odd;

        buf_init(&b, ITEM_HEAD_MAX);
        odd_item(&b, rows[i].n_name, rows[i].n_value, k);
        ok(item_open(&whole, b.data, b.len, &err) == 0 && whole.n_tags == 1 &&
           whole.tag[0].n_name == rows[i].n_name &&
           whole.tag[0].n_value == rows[i].n_value, "tag of %zu and %zu: %s",
           rows[i].n_name, rows[i].n_value, err.text);
        is_odd = item_is_odd(&whole, odd, sizeof(odd));
        ok(is_odd == (rows[i].odd != NULL) &&
           (!is_odd || strncmp(odd, rows[i].odd, strlen(rows[i].odd)) == 0),
           "it is reported: %s", odd);
        s = item_stream_new(b.len);
        ok(item_stream_put(s, b.data, b.len, NULL, NULL, &err) == 0 &&
           item_stream_end(s, &it, &err) == 0, "in a stream %s", err.text);
        item_stream_free(s);
        b.data[b.len - 1] ^= 1;
        ok(item_open(&whole, b.data, b.len, &err) == -1 &&
           strstr(err.text, "signature is wrong"), "and verified");
        buf_clear(&b);
    }
}

/* Of what cannot be checked nothing is said but that. */
static void test_types(void)
{
    static const struct {
        unsigned type;
        size_t n;
        const char *says;
    } rows[] = {
        { 5, 96, "not checked: signature type 5 (Aptos)" },
        { 6, 3077, "not checked: signature type 6 (several Aptos)" },
        { 7, 107, "not checked: signature type 7 (typed Ethereum)" },
        { 101, 130, "not checked: signature type 101 (KYVE)" },
        { 999, 500, "unknown signature type 999" },
        { 4, 96, "signature is wrong" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct err err = ERR_INIT;
        struct item it;
        struct buf b;

        buf_init(&b, ITEM_HEAD_MAX);
        buf_putc(&b, (int)(rows[i].type & 255));
        buf_putc(&b, (int)(rows[i].type >> 8));
        for (size_t k = 0; k < rows[i].n; k++)
            buf_putc(&b, 7);
        for (size_t k = 0; k < 18; k++)
            buf_putc(&b, 0);
        buf_puts(&b, "data");
        ok(item_open(&it, b.data, b.len, &err) == -1 &&
           strstr(err.text, rows[i].says), "%s", err.text);
        buf_clear(&b);
    }
    ok(item_is_checked(1) && item_is_checked(2) && item_is_checked(4) &&
       item_is_checked(3) == key_has_ethereum() && !item_is_checked(0) &&
       !item_is_checked(5) && !item_is_checked(7), "types that are checked");
}

static void test_unsigned(const struct key *k)
{
    struct item_spec spec = { NULL, NULL, NULL, 0 };
    struct err err = ERR_INIT;
    struct id id;
    struct item it;
    struct buf b;

    buf_init(&b, ROOM);
    item_sign(&b, &spec, "data", 4, k, &id, &err);
    for (size_t at = 1026; at < 1028; at++) {
        b.data[at] = 2;
        ok(item_open(&it, b.data, b.len, &err) == -1 &&
           strstr(err.text, "not 0 or 1"), "%s", err.text);
        b.data[at] = 0;
    }
    b.data[1028] = 1;
    ok(item_open(&it, b.data, b.len, &err) == -1 &&
       strstr(err.text, "says that it has 1"), "%s", err.text);
    b.data[1028] = (char)129;
    ok(item_open(&it, b.data, b.len, &err) == -1 &&
       strstr(err.text, "129 tags"), "%s", err.text);
    buf_clear(&b);
}

/* Ethereum: the parity of the point counts, in both its forms, and s is in
 * the lower half. */
static void test_ethereum(void)
{
    struct err err = ERR_INIT;
    struct item it;
    struct buf b;

    if (!key_has_ethereum()) {
        skip("Ethereum", "this libcrypto has no secp256k1");
        return;
    }
    buf_init(&b, ROOM);
    arweave_file(&b, "items/14-ethereum.bin");
    ok(item_open(&it, b.data, b.len, &err) == 0, "an item %s", err.text);
    b.data[66] = 28;
    ok(item_open(&it, b.data, b.len, &err) == -1, "the other parity: %s",
       err.text);
    b.data[66] = 0;
    err = (struct err)ERR_INIT;
    ok(item_open(&it, b.data, b.len, &err) == 0, "without the 27 %s",
       err.text);
    b.data[66] = 29;
    ok(item_open(&it, b.data, b.len, &err) == -1, "another v: %s", err.text);
    unhex((unsigned char *)b.data + 34, "9f836d5ec8c982c041ae8a45cc71d7c9"
          "3a4fa79c7736b8af7a921f4e286f2d94");
    b.data[66] = 28;
    ok(item_open(&it, b.data, b.len, &err) == -1, "the other s: %s",
       err.text);
    buf_clear(&b);
}

struct source {
    const char *text;
    size_t left;
};

static int next_data(void *self, void *data, size_t n, size_t *got,
                     struct err *err)
{
    struct source *s = self;

    (void)err;
    *got = s->left < n ? s->left : n;
    if (*got > 100)
        *got = 100;
    memcpy(data, s->text, *got);
    s->text += *got;
    s->left -= *got;
    return 0;
}

static void test_sign_stream(const struct key *k)
{
    struct item_spec spec = { NULL, &anchor, NULL, 0 };
    char content[1234];
    struct source source = { content, sizeof(content) };
    struct id id, streamed;
    struct err err = ERR_INIT;
    struct buf whole, head;

    memset(content, 'c', sizeof(content));
    buf_init(&whole, ROOM);
    buf_init(&head, ITEM_HEAD_MAX);
    item_sign(&whole, &spec, content, sizeof(content), k, &id, &err);
    ok(item_sign_stream(&head, &spec, next_data, &source, sizeof(content), k,
                        &streamed, &err) == 0 &&
           id_equal(id, streamed) && head.len == whole.len - sizeof(content) &&
           memcmp(head.data, whole.data, head.len) == 0,
       "signed while it streams: the same bytes");
    source = (struct source){ content, sizeof(content) - 1 };
    ok(item_sign_stream(&head, &spec, next_data, &source, sizeof(content), k,
                        &streamed, &err) == -1 &&
           err.code == ERR_RETRY && head.len == whole.len - sizeof(content),
       "%s", err.text);
    buf_clear(&whole);
    buf_clear(&head);
}

static void refuses_tags(const struct item_text_tag *tag, size_t n,
                         const struct key *k, const char *want)
{
    struct item_spec spec = { NULL, NULL, tag, n };
    struct err err = ERR_INIT;
    struct id id;
    struct buf b;

    buf_init(&b, ROOM);
    buf_puts(&b, "kept");
    ok(item_sign(&b, &spec, "", 0, k, &id, &err) == -1 &&
           err.code == ERR_INPUT && strstr(err.text, want) && b.len == 4,
       "refused: %s", err.text);
    buf_clear(&b);
}

static void test_limits(const struct key *k)
{
    struct item_text_tag many[129], one = { "n", "v" }, two[2];
    char longer[3074];
    struct item_spec spec = { NULL, NULL, many, 128 };
    struct err err = ERR_INIT;
    struct id id;
    struct buf b;

    memset(longer, 'l', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    for (size_t i = 0; i < 129; i++)
        many[i] = one;
    buf_init(&b, ROOM);
    ok(item_sign(&b, &spec, "", 0, k, &id, &err) == 0, "128 tags %s", err.text);
    buf_clear(&b);
    refuses_tags(many, 129, k, "129 tags");
    one.value = "";
    refuses_tags(&one, 1, k, "0 bytes");
    one.value = longer;
    refuses_tags(&one, 1, k, "3073 bytes");
    one.name = longer;
    one.value = "v";
    refuses_tags(&one, 1, k, "3073 bytes");
    two[0] = two[1] = (struct item_text_tag){ "n", longer + 1 };
    refuses_tags(two, 2, k, "4096");
}

/* Two items in a bundle, then its head damaged in every way. */
static void test_bundle(const struct key *k)
{
    struct item_spec spec = { NULL, NULL, NULL, 0 };
    struct bundle_entry e[2], *table = NULL;
    struct err err = ERR_INIT;
    struct buf b, items;
    size_t n = 0;

    buf_init(&b, ROOM);
    buf_init(&items, ROOM);
    item_sign(&items, &spec, "one", 3, k, &e[0].id, &err);
    e[0].size = items.len;
    item_sign(&items, &spec, "two", 3, k, &e[1].id, &err);
    e[1].size = items.len - e[0].size;
    ok(bundle_head(&b, e, 2, &err) == 0 && e[0].at == 160 &&
       e[1].at == 160 + e[0].size, "the head of a bundle");
    buf_put(&b, items.data, items.len);
    ok(bundle_check(b.data, b.len, &err) == 0, "a bundle %s", err.text);
    ok(bundle_table(&table, &n, b.data, 160, b.len, &err) == 0 && n == 2 &&
       table[1].at == e[1].at, "its table from its head alone");
    free(table);
    table = NULL;
    ok(bundle_table(&table, &n, b.data, 159, b.len, &err) == -1, "%s",
       err.text);
    n = 0;
    for (size_t i = 0; i < 160; i++) {
        b.data[i] ^= 1;
        n += bundle_check(b.data, b.len, &err) == 0;
        b.data[i] ^= 1;
    }
    ok(n == 0, "each byte of its head that is changed is found");
    ok(bundle_check(b.data, b.len - 1, &err) == -1, "%s", err.text);
    buf_putc(&b, 0);
    ok(bundle_check(b.data, b.len, &err) == -1 &&
       strstr(err.text, "after its last item"), "%s", err.text);
    ok(bundle_head(&items, e, BUNDLE_MAX_ITEMS + 1, &err) == -1, "%s",
       err.text);
    buf_clear(&b);
    buf_clear(&items);
}

int main(void)
{
    struct key *k = test_key();

    test_round(k);
    test_every_byte(k);
    test_streams(k);
    test_sign_stream(k);
    test_limits(k);
    test_tags();
    test_odd(k);
    test_types();
    test_unsigned(k);
    test_ethereum();
    test_bundle(k);
    key_free(k);
    return done();
}
