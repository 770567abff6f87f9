/*
 * Mistral Small 3.1 and Gemma 3 from 4b on: text_config beside vision_config.
 */
#include <config.h>

#include "model/import/hf_part.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/json.h"
#include "model/import/hf_values.h"

static const struct {
    const char *type, *architecture;
} wholes[] = {
    { "mistral3", "Mistral3ForConditionalGeneration" },
    { "gemma3", "Gemma3ForConditionalGeneration" },
};

int hf_part_find(bool *part, const struct json **root, struct err *err)
{
    const char *type = json_string(json_get(*root, "model_type"));
    const struct json *text = json_get(*root, "text_config");
    const struct json *arch = json_first(json_get(*root, "architectures"));
    const struct json *packed = json_get(*root, "quantization_config");
    size_t i = 0, n = sizeof(wholes) / sizeof(wholes[0]);
    char known[80];

    while (i < n && type && strcmp(type, wholes[i].type) != 0)
        i++;
    if (i == n || !type)
        return 0;
    if (json_type(text) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "it has no text_config");
    snprintf(known, sizeof(known), "of %s only %s is known", type,
             wholes[i].architecture);
    if (arch && (!json_string(arch) ||
                 strcasecmp(json_string(arch), wholes[i].architecture) != 0))
        return hf_refuse("architectures", arch, known, err);
    if (hf_given(packed))
        return hf_refuse("quantization_config", packed,
                         "models with it are not supported", err);
    *part = true;
    *root = text;
    return 0;
}
