// Decodes files with the page's decoder: node decode.mjs PAGE OUTPUT FILE...
// OUTPUT gets NAME.bin, the samples, NAME.png, NAME.rgba, what previews painted, and outcomes.json, by name null or why the file is refused.
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

/** Paints previews one over the other, as the page does. */
class Canvas {
  constructor(file) {
    const head = new DataView(file.buffer, file.byteOffset);
    [this.width, this.height] = [head.getUint32(12, true), head.getUint32(16, true)];
    this.rgba = null; // Faulty files claim any size.
    this.steps = [];
    this.shares = [];
  }

  paint({ left, top, step, width, height, rgba }) {
    this.rgba ??= new Uint8Array(4 * this.width * this.height);
    this.steps.push(step);
    for (let y = top; y < Math.min(top + height * step, this.height); y++)
      for (let x = left; x < Math.min(left + width * step, this.width); x++) {
        const from = 4 * (Math.floor((y - top) / step) * width + Math.floor((x - left) / step));
        this.rgba.set(rgba.subarray(from, from + 4), 4 * (y * this.width + x));
      }
  }
}

const isFalling = (numbers) => numbers.every((x, i) => i === 0 || x <= numbers[i - 1]);
const outcomes = {};
for (const file of files) {
  const name = basename(file, ".mzp");
  try {
    const bytes = new Uint8Array(readFileSync(file));
    const canvas = bytes.length < 52 ? null : new Canvas(bytes);
    const picture = await decode(bytes, wasm, findModel, {
      preview: (part) => canvas.paint(part),
      progress: (share) => canvas.shares.push(-share),
    });
    if (!isFalling(canvas.steps) || !isFalling(canvas.shares)) throw new Error("coarse levels do not come first");
    if (canvas.rgba) writeFileSync(join(output, `${name}.rgba`), canvas.rgba);
    writeFileSync(join(output, `${name}.bin`), new Uint8Array(picture.pixels.buffer));
    if (!whyNoPng(picture)) writeFileSync(join(output, `${name}.png`), await toPng(picture));
    outcomes[name] = null;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    outcomes[name] = error.message;
  }
}
writeFileSync(join(output, "outcomes.json"), JSON.stringify(outcomes));
