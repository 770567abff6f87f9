/*
 * Kinds of items on Arweave: values of the tag Apus (doc/proof.md section 5,
 * doc/push.md).  The number is the version of the form.
 */
#ifndef APUS_PUBLISH_KINDS_H
#define APUS_PUBLISH_KINDS_H

#define KIND_TAG "Apus"
#define KIND_RESULT "result-1"
#define KIND_STATEMENT "statement-1"
#define KIND_BUNDLE "bundle-1" /* of results */
#define KIND_PART "part-1"     /* of a checkpoint */
#define KIND_INDEX "idx-1"     /* of a part */
#define KIND_MODEL "model-1"

#endif
