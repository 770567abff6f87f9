/*
 * What tests of models share: converting a Hugging Face directory into a
 * scratch file, and finding the data that lies outside the tree.
 */
#ifndef APUS_TESTS_MODELS_UTIL_H
#define APUS_TESTS_MODELS_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "model/convert.h"
#include "model/model.h"
#include "tests/tap.h"

/* A path in the source tree; the caller frees it. */
char *tree_path(const char *name);

/* A path in $APUS_TEST_DATA, or NULL if that is not set. */
char *data_path(const char *name);

/* A path in the scratch directory. */
char *tmp_path(const char *name);

/* Remove the scratch directory and what is in it, at the end of main. */
void tmp_remove(void);

/* Convert `dir` into a scratch file and open it; the file is removed.  NULL,
 * and a diagnostic line, if that fails. */
struct model *model_from_hf(const char *dir, const struct convert_options *o);

/* A scratch directory that looks like the checkpoint stories260K, whose files
 * have other names; NULL if the data is not there.  The caller frees it. */
char *stories_dir(void);

#endif
