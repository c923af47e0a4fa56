// Opens files with the page in headless Chromium: node browse.mjs CHROMIUM PAGE OUTPUT FILE...
// OUTPUT gets NAME.rgba, what the canvas shows, and outcomes.json: the state of the page and its message by name.
import { spawn } from "node:child_process";
import { createReadStream, existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";

const [chromium, page, output, ...files] = process.argv.slice(2);
const TYPES = { ".html": "text/html", ".js": "text/javascript" };

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  const found = path.startsWith("/files/") ? files[Number(path.slice(7))] : join(page, path);
  if (!existsSync(found)) return response.writeHead(404).end();
  response.setHeader("Content-Type", TYPES[extname(found)] ?? "application/octet-stream");
  createReadStream(found).pipe(response);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"];
const browser = spawn(chromium, [...flags, `--user-data-dir=${join(output, "profile")}`, "about:blank"], {
  stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
});
process.on("exit", () => browser.kill());
const waiting = new Map();
let count = 0;
let rest = "";

// The browser's protocol: JSON that ends with zero bytes.
browser.stdio[4].on("data", (data) => {
  const messages = (rest + data).split("\0");
  rest = messages.pop();
  for (const { id, result, error } of messages.map((x) => JSON.parse(x))) {
    if (!waiting.has(id)) continue;
    const { resolve, reject } = waiting.get(id);
    error ? reject(new Error(error.message)) : resolve(result);
  }
});

function ask(method, params = {}, sessionId = undefined) {
  const id = ++count;
  browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

// Runs in the page.
async function openInPage(number, name) {
  const bytes = await (await fetch(`/files/${number}`)).arrayBuffer();
  const chosen = new DataTransfer();
  chosen.items.add(new File([bytes], name));
  const input = document.getElementById("file");
  input.files = chosen.files;
  const ended = new Promise((resolve) => {
    const watch = new MutationObserver(() => {
      if (!["done", "failed"].includes(document.body.dataset.state)) return;
      watch.disconnect();
      resolve();
    });
    watch.observe(document.body, { attributes: true });
  });
  input.dispatchEvent(new Event("change"));
  await ended;
  const canvas = document.getElementById("picture");
  const { width, height } = canvas;
  const rgba = width ? canvas.getContext("2d").getImageData(0, 0, width, height).data : [];
  let binary = "";
  for (const x of rgba) binary += String.fromCharCode(x);
  return { state: document.body.dataset.state, message: document.getElementById("message").textContent, rgba: btoa(binary) };
}

const { targetId } = await ask("Target.createTarget", { url: `http://127.0.0.1:${server.address().port}/index.html` });
const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
const askPage = (expression) =>
  ask("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }, sessionId);
const isReady = "location.pathname === '/index.html' && document.readyState === 'complete'";
while (!(await askPage(isReady)).result.value) await new Promise((later) => setTimeout(later, 50));
const outcomes = {};
for (const [number, file] of files.entries()) {
  const name = basename(file, ".mzp");
  const expression = `(${openInPage})(${number}, ${JSON.stringify(basename(file))})`;
  const { result, exceptionDetails } = await askPage(expression);
  if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
  const { rgba, ...outcome } = result.value;
  writeFileSync(join(output, `${name}.rgba`), Buffer.from(rgba, "base64"));
  outcomes[name] = outcome;
}
writeFileSync(join(output, "outcomes.json"), JSON.stringify(outcomes));
await ask("Browser.close");
server.close();
