/*
 * Signed receipts, and answers to whole uploads.
 */
#include <config.h>

#include "localnet/receipts.h"

#include <stdio.h>
#include <string.h>

#include "arweave/key.h"
#include "arweave/receipt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "localnet/stored.h"
#include "localnet/net.h"
#include "localnet/serve.h"

#define OVER_CHARGE 5000000000000000 /* more than any default ceiling */
#define DEADLINE 200 /* blocks until an item is to be in one */

void receipt_answer(struct net *net, const struct stored *h, struct response *a)
{
    bool other = faults_now(&net->faults, FAULTS_OTHER_SIGNER,
                            UNIT_BUNDLER);
    bool bad = faults_now(&net->faults, FAULTS_BAD_RECEIPT, UNIT_BUNDLER);
    struct receipt r = { .timestamp_ms = h->taken_ms,
                         .deadline_height = net_height(net) + DEADLINE,
                         .version = "0.2.0", .winc = h->winc };
    struct err err = ERR_INIT;
    char *signature;

    if (faults_now(&net->faults, FAULTS_OVER_CHARGE, UNIT_BUNDLER))
        r.winc = OVER_CHARGE;
    r.id = h->id;
    if (receipt_sign(&a->body, &r, other ? net->other_key : net->key, &err)) {
        answer_error(a, 500, err.text);
        return;
    }
    if (bad) {
        signature = strstr(a->body.data, "\"signature\":\"");
        if (signature)
            signature[20] = signature[20] == 'A' ? 'B' : 'A';
    }
}

void upload_answer(struct net *net, struct upload *u, struct stored **stored,
                   struct response *a)
{
    struct err err = ERR_INIT;
    struct stored *h;
    char text[120];
    enum accepted end = upload_end(net, u, &h, &err);

    if (end == ACCEPT_NEW) {
        receipt_answer(net, h, a);
    } else if (end == ACCEPT_KNOWN) {
        snprintf(
            text, sizeof(text),
            "Data item with ID %s has already been"
            " uploaded to this service!",
            faults_now(&net->faults, FAULTS_NAMELESS_ALREADY, UNIT_BUNDLER)
                ? "?"
                : id_text(h->id).s);
        answer_text(a, 202, text);
    } else if (strncmp(err.text, "Insufficient balance", 20) == 0) {
        answer_text(a, 402, err.text);
    } else if (err.code == ERR_INPUT) {
        answer_text(a, 400, "Invalid Data Item! ");
        buf_puts(&a->body, err.text);
    } else {
        answer_text(a, 503, err.text);
    }
    if (end != ACCEPT_FAILED &&
        faults_now(&net->faults, FAULTS_LOST_ANSWER, UNIT_BUNDLER))
        a->fault = FAULT_DROP;
    if (stored && end != ACCEPT_FAILED)
        *stored = h;
}
