// render.mjs FILE.jinja: as tests/renderchat, by @huggingface/jinja.
import fs from "fs";
import { Template } from "@huggingface/jinja";

const template = new Template(fs.readFileSync(process.argv[2], "utf8"));
for (const line of fs.readFileSync(0, "utf8").split("\n")) {
    if (!line)
        continue;
    try {
        console.log(JSON.stringify(template.render(JSON.parse(line))));
    } catch (e) {
        console.log(JSON.stringify({ error: String(e.message) }));
    }
}
