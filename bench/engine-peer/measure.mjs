// The other engine's side of bench/peer:
//     node measure.mjs FILE.gguf THREADS BATCH PROMPT GENERATE
// answers BATCH prompts of PROMPT ids at once, greedily, GENERATE tokens each
// whatever they are, and prints "prefill_s total_s": the time until each has
// its first token, and that until each has all.
import { getLlama } from "node-llama-cpp";

const [file, ...numbers] = process.argv.slice(2);
const [threads, batch, prompt, generate] = numbers.map(Number);
const llama = await getLlama({
    gpu: false, build: "never", maxThreads: threads, logLevel: "error"
});
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({
    sequences: batch, contextSize: prompt + generate + 8,
    batchSize: 512, threads
});
const n_ids = 256; // ids that every vocabulary has
let firsts = 0, prefill = 0;
const begun = performance.now();
const seconds = () => (performance.now() - begun) / 1000;

// Ends of text are fed like any other token.
async function answer(sequence, k) {
    let ids = Array.from({ length: prompt },
                         (_, i) => 3 + (7 * i + 13 * k) % n_ids);
    let n = 0;

    while (n < generate) {
        let last;

        for await (const id of sequence.evaluate(ids, {
            temperature: 0, yieldEogToken: true
        })) {
            last = id;
            if (n++ === 0 && ++firsts === batch)
                prefill = seconds();
            if (n === generate)
                break;
        }
        if (last === undefined)
            throw new Error("no token was drawn");
        ids = [last];
    }
}

await Promise.all(Array.from({ length: batch },
    (_, k) => answer(context.getSequence(), k)));
console.log(prefill.toFixed(4), seconds().toFixed(4));
process.exit(0);
