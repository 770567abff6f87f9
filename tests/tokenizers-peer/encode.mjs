// The ids that texts become in the tokenizers library, and tokenizer.json
// files of many forms, trained by it.
//
//     node encode.mjs make DIR TEXTFILE      write the files to DIR
//     node encode.mjs TOKENIZER.json <LINES  a JSON string a line in, an array
//                                            of ids a line out
import { createRequire } from 'node:module';
import fs from 'node:fs';
const { Tokenizer } = createRequire(import.meta.url)('tokenizers');

const meta = '\u2581';
const byteLevel = (space, regex) => ({ type: 'ByteLevel',
    add_prefix_space: space, trim_offsets: true, use_regex: regex });
const metaspace = (scheme, split) => ({ type: 'Metaspace', replacement: meta,
    prepend_scheme: scheme, split });
const digits = (one) => ({ type: 'Digits', individual_digits: one });
const split = (text, behavior) => ({ type: 'Split',
    pattern: { String: text }, behavior, invert: false });
const regex = (text) => ({ type: 'Split', pattern: { Regex: text },
    behavior: 'Isolated', invert: false });
const pre = (...pretokenizers) => ({ type: 'Sequence', pretokenizers });
const norm = (...normalizers) => ({ type: 'Sequence', normalizers });
const replace = (text, content) => ({ type: 'Replace',
    pattern: { String: text }, content });
const prepend = { type: 'Prepend', prepend: meta };
const strip = (left, right) => ({ type: 'Strip', strip_left: left,
    strip_right: right });
const added = (content, more = {}) => ({ content, single_word: false,
    lstrip: false, rstrip: false, normalized: false, special: false, ...more });
const tail = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
const words = (t) => '[^\\r\\n\\p{L}\\p{N}]?' +
    '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*' +
    `[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${t}|[^\\r\\n\\p{L}\\p{N}]?` +
    `[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${t}`;
const others = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*' +
    '|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

// name: [normalizer, pre-tokenizer, settings of the model, added tokens]
const forms = {
    'digits-bytes': [null, pre(digits(true), byteLevel(false, true)), {}],
    'digits-runs': [null, pre(digits(false), byteLevel(false, true)), {}],
    'prefix-space': [null, byteLevel(true, true), {}],
    'nfc-gpt2': [{ type: 'NFC' }, byteLevel(false, true), {}],
    'o200k': [null, pre(regex(words(tail) + '|\\p{N}{1,3}' + others),
        byteLevel(false, false)), {}],
    'tekken': [null, pre(regex(words('') + '|\\p{N}' + others),
        byteLevel(false, false)), { ignore_merges: true }],
    'space-split': [null, pre(split(' ', 'MergedWithNext'),
        byteLevel(true, false)), {}],
    'llama-legacy': [norm(prepend, replace(' ', meta)), null,
        { unk: true, fuse_unk: true, byte_fallback: true }],
    'unk-each': [norm(prepend, replace(' ', meta)), null, { unk: true }],
    'metaspace-first': [null, metaspace('first', false),
        { unk: true, fuse_unk: true }],
    'metaspace-cut': [null, metaspace('always', true), { unk: true }],
    'metaspace-never': [null, pre(digits(true), metaspace('never', true)),
        { unk: true }],
    'strip-replace': [norm(strip(true, true), { type: 'NFC' },
        replace('ab', 'x')), metaspace('first', true), { unk: true }],
    'replace-one': [replace('a', 'bcd'), metaspace('first', true),
        { unk: true }],
    'replace-none': [replace('a', ''), metaspace('first', true),
        { unk: true }],
    'removed': [null, pre(split('-', 'Removed'), metaspace('always', true)),
        { unk: true }],
    'previous': [null, pre(split('-', 'MergedWithPrevious'), digits(true)),
        { unk: true }],
    'contiguous': [null, pre(split('-', 'Contiguous'), digits(false)),
        { unk: true }],
    'added-strips': [null, byteLevel(false, true), {},
        [added('<l>', { lstrip: true }), added('<r>', { rstrip: true }),
            added('<w>', { single_word: true }), added('zq',
                { single_word: true }), added('<s>', { special: true })]],
    'added-normalized': [{ type: 'NFC' }, byteLevel(false, true), {},
        [added('caf\u00e9', { normalized: true }), added('<s>',
            { special: true, rstrip: true })]],
    'unigram': [null, metaspace('always', true), { unigram: true }],
    'unigram-digits': [norm({ type: 'NFC' }), pre(digits(true),
        metaspace('first', true)), { unigram: true }],
};

// A unigram of the words of a BPE, its scores made up.
function unigram(vocab) {
    const texts = Object.keys(vocab).slice(0, 3000);
    return { type: 'Unigram', unk_id: 0, byte_fallback: false, vocab:
        [['<unk>', 0], ...texts.map((t, i) => [t, -2 - (i * 7 % 97) / 8])] };
}

function make(dir, file) {
    for (const [name, [normalizer, pre_tokenizer, how, tokens]] of
        Object.entries(forms)) {
        const { unk, unigram: uni, ...settings } = how;
        const form = { version: '1.0', truncation: null, padding: null,
            added_tokens: [], normalizer, pre_tokenizer, post_processor: null,
            decoder: byteLevel(true, true), model: { type: 'BPE', dropout: null,
                unk_token: null, continuing_subword_prefix: null,
                end_of_word_suffix: null, fuse_unk: false,
                byte_fallback: false, vocab: {}, merges: [] } };
        const bytes = JSON.stringify(pre_tokenizer)?.includes('ByteLevel');
        if (!bytes)
            form.decoder = { type: 'Metaspace', replacement: meta,
                prepend_scheme: 'always', split: true };
        const t = Tokenizer.fromString(JSON.stringify(form));
        t.train([file]);
        const path = `${dir}/${name}.json`;
        t.save(path, false);
        const out = JSON.parse(fs.readFileSync(path, 'utf8'));
        let next = Object.keys(out.model.vocab).length;
        Object.assign(out.model, settings);
        if (unk) {
            out.model.vocab['<unk>'] = next++;
            out.model.unk_token = '<unk>';
        }
        if (uni) {
            out.model = unigram(out.model.vocab);
            next = out.model.vocab.length;
        }
        out.added_tokens = (tokens ?? []).map((a) => ({ id: next++, ...a }));
        fs.writeFileSync(path, JSON.stringify(out));
    }
}

async function encode(path) {
    const t = Tokenizer.fromFile(path);
    const lines = fs.readFileSync(0, 'utf8').split('\n').slice(0, -1);
    const out = [];
    for (const line of lines) {
        const e = await t.encode(JSON.parse(line), null,
            { addSpecialTokens: false });
        out.push(JSON.stringify(Array.from(e.getIds())));
    }
    process.stdout.write(out.join('\n') + '\n');
}

if (process.argv[2] === 'make')
    make(process.argv[3], process.argv[4]);
else
    await encode(process.argv[2]);
