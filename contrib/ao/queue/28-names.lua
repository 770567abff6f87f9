local lib = ApusQueue
local quote, NULL, scaled = lib.quote, lib.NULL, lib.scaled

-- ---- the members of a request ----------------------------------------------
-- The rows of src/store/request_names.c, which says what they mean: "+" is
-- read, "*" and the values that are listed change nothing, "=" names what is
-- meant.

-- Return "take" or "pass" for a member, or nil and why it is rejected.  Its row
-- is group and key; a message calls it path and key.
local judge
do
    local rows, order = {}, {}
    for name, values in ([[
model +
messages +
prompt +
max_tokens +
max_completion_tokens +
temperature +
top_p +
top_k +
n +
seed +
stop +
ignore_eos +
logprobs +
top_logprobs +
tools +
documents +
chat_template_kwargs +
apus +
apus.top_k +
apus.ignore_eos +
apus.date +
messages.role +
messages.content +
messages.name +
messages.tool_call_id +
messages.tool_calls +
messages.reasoning_content +
content.type +
content.text +
user *
metadata *
store *
service_tier *
safety_identifier *
prompt_cache_key *
prompt_cache_retention *
stream_options *
parallel_tool_calls *
audio {}
best_of 1
echo false
frequency_penalty 0
function_call "none" "auto" {}
functions []
logit_bias {}
modalities [] ["text"]
prediction {}
presence_penalty 0
reasoning_effort "none" ""
response_format {"type":"text"} {}
stream false
suffix ""
tool_choice "none" "auto" {}
verbosity "medium" ""
web_search_options
messages.annotations []
messages.audio {}
messages.function_call {}
messages.refusal ""
content.annotations []
content.cache_control {}
content.file {}
content.image_url {} ""
content.input_audio {}
content.logprobs []
content.refusal ""
api_base *
api_version *
base_url *
cache_prompt *
cache_salt *
custom_llm_provider *
extra_headers *
extra_query *
include_reasoning *
keep_alive *
max_retries *
num_retries *
priority *
reference *
request_id *
separate_reasoning *
session *
timeout *
usage *
extra_body {}
add_generation_prompt true
add_special_tokens
allowed_token_ids
bad_words []
chat_template ""
continue_final_message false
decoder_input_details false
details false
detokenize true
do_sample true
early_stopping false
enable_search false
enable_thinking
format ""
grammar "" {}
guided_choice []
guided_decoding {}
guided_decoding_backend ""
guided_grammar ""
guided_json {} ""
guided_regex ""
guided_whitespace_pattern ""
images []
include_stop_str_in_output false
json_schema {}
kv_transfer_params {}
length_penalty 1
logits_processors []
media_io_kwargs {}
min_p 0
min_tokens 0
mirostat 0
mm_processor_kwargs {}
model_kwargs {}
models []
n_probs 0
no_repeat_ngram_size 0
num_beams 1
options {}
plugins []
prompt_embeds {} ""
prompt_logprobs
prompt_mode ""
provider {}
reasoning {} {"effort":"none"}
regex ""
repeat_penalty 1
repetition_penalty 1
return_full_text false
return_token_ids false
return_tokens_as_token_ids false
route ""
safe_prompt false
skip_special_tokens true
spaces_between_special_tokens true
stop_token_ids []
streaming false
structural_tag "" {}
structured_outputs {}
tfs_z 1
thinking {} {"type":"disabled"}
thinking_token_budget
top_a 0
top_n_tokens 0
transforms []
truncate_prompt_tokens
typical_p 1
use_beam_search false
vllm_xargs {}
watermark false
messages.cache_control {}
messages.images []
messages.parsed {}
messages.prefix false
messages.provider_specific_fields {}
messages.reasoning ""
messages.thinking_blocks []
messages.weight 1
input =prompt
inputs =prompt
system =messages
system_prompt =messages
max_length =max_tokens
max_new_tokens =max_tokens
max_output_tokens =max_tokens
max_tokens_to_sample =max_tokens
n_predict =max_tokens
num_predict =max_tokens
num_return_sequences =n
random_seed =seed
stop_sequences =stop
stop_words =stop
messages.text =content
content.content =text
]]):gmatch("(%S+) ?([^\n]*)\n") do
        rows[name], order[#order + 1] = values, name
    end

    -- A value as a row has it, "?" for all that cannot stand there.
    local function value_text(v)
        if type(v) ~= "table" then
            return type(v) == "string" and quote(v) or tostring(v)
        elseif v.number then
            local n = scaled(v.number, 6, true) or "?"
            return n == "0" and n or n:match("^(-?%d+)000000$") or "?"
        end
        local list = v.array or v.keys
        local e = v.array and list[1] or v.object and v.object[list[1]]
        if #list == 0 then
            return "{}"
        elseif #list > 1 or type(e) ~= "string" then
            return "?"
        end
        return v.array and "[" .. quote(e) .. "]" or
            "{" .. quote(list[1]) .. ":" .. quote(e) .. "}"
    end

    local function has(values, text)
        return (" " .. values .. " "):find(" " .. text .. " ", 1, true) ~= nil
    end

    -- Letters missing, added, changed, or two neighbours swapped.
    local function slips(a, b)
        local above2, above, row = {}, {}, nil
        for j = 0, #b do
            above[j] = j
        end
        for i = 1, #a do
            row = { [0] = i }
            for j = 1, #b do
                local same = a:byte(i) == b:byte(j)
                row[j] = math.min(above[j] + 1, row[j - 1] + 1,
                    above[j - 1] + (same and 0 or 1))
                if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and
                    a:byte(i - 1) == b:byte(j) then
                    row[j] = math.min(row[j], above2[j - 2] + 1)
                end
            end
            above2, above = above, row
        end
        return above[#b]
    end

    local function letters(s)
        return (s:lower():gsub("[^a-z0-9]", ""))
    end

    -- The name of the group that is meant by an unknown one, or nil.
    local function meant(group, key)
        local least, best = #key <= 4 and 2 or 3, nil
        for _, name in ipairs(order) do
            local n = name:sub(1, #group) == group and name:sub(#group + 1) or
                "."
            if not n:find(".", 1, true) and rows[name]:sub(1, 1) ~= "=" then
                if letters(n) == letters(key) then
                    return n
                elseif #key >= 2 and #key <= 40 then
                    local d = slips(key, n)
                    if #key >= 3 and n:sub(1, #key) == key then
                        d = 1
                    end
                    if d < least then
                        least, best = d, n
                    end
                end
            end
        end
        return best
    end

    judge = function(group, path, key, v)
        local values = not key:find(".", 1, true) and rows[group .. key]
        if not values or values:sub(1, 1) == "=" then
            local name = values and values:sub(2) or meant(group, key)
            return nil, 'unknown parameter "' .. path ..
                key:sub(1, 64):gsub("[^ -~]", "?"):gsub('["\\]', "?") .. '"' ..
                (name and ': is "' .. path .. name .. '" meant?' or "")
        elseif v == NULL or values == "*" then
            return "pass"
        elseif values == "+" then
            return "take"
        end
        local text = value_text(v)
        if has(values, text) or text == "{}" and has(values, "[]") then
            return "pass"
        end
        return nil, '"' .. path .. key ..
            '" is not implemented: it must be null' ..
            (values ~= "" and " or " .. values:gsub(" ", " or ") or "")
    end
end

-- ---- for the files after this one -------------------------------------------

lib.judge_member = judge
