// Decodes files with the page's decoder: node decode.mjs PAGE OUTPUT FILE...
// OUTPUT gets NAME.bin, the samples, NAME.png, and outcomes.json, by name null or why the file is refused.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const [page, output, ...files] = process.argv.slice(2);
const { FileError, decode, toPng, whyNoPng } = await import(pathToFileURL(join(page, "mulanzip.js")));
const wasm = await WebAssembly.compile(readFileSync(join(page, "mulanzip.wasm")));
const models = new Map();

async function findModel(id) {
  const path = join(page, "models", `${id}.safetensors`);
  if (!models.has(id)) models.set(id, existsSync(path) ? new Uint8Array(readFileSync(path)) : null);
  return models.get(id);
}

const outcomes = {};
for (const file of files) {
  const name = basename(file, ".mzp");
  try {
    const picture = await decode(new Uint8Array(readFileSync(file)), wasm, findModel);
    writeFileSync(join(output, `${name}.bin`), new Uint8Array(picture.pixels.buffer));
    if (!whyNoPng(picture)) writeFileSync(join(output, `${name}.png`), await toPng(picture));
    outcomes[name] = null;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    outcomes[name] = error.message;
  }
}
writeFileSync(join(output, "outcomes.json"), JSON.stringify(outcomes));
