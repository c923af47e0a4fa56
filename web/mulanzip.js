/* Opens .mzp files in a browser, or in Node: docs/format.md is the specification, and names here are those of its text.
 *
 * This one file is the decoder (`decode` and `toPng` are its interface), the worker that runs it, and the page.  What
 * takes time is in mulanzip.wasm, compiled from mulanzip/native; here is what Python does around it in mulanzip/codec.
 * All checksums and hashes are compared: pixels that are shown or saved are those that were compressed.
 */

/** A file that cannot be opened; the message is for the user. */
export class FileError extends Error {}

const damaged = (what) => new FileError(`The file is damaged: ${what}.`);
const later = (what) => new FileError(`${what} A later version of this page may open it.`);

/** What each mode's samples are. */
const MODES = ["gray", "gray with alpha", "RGB", "RGB with alpha", "palette", "bilevel", "bands"];
const [GRAY, GRAY_ALPHA, RGB, RGBA, PALETTE, BILEVEL, BANDS] = MODES.keys();
const CHANNELS = [1, 2, 3, 4, 1, 1];
/** Pixels that a page can hold and show. */
const MAX_PIXELS = 2 ** 27;

/* ---- Bytes ---- */

const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
const hex = (bytes) => Array.from(bytes, (x) => x.toString(16).padStart(2, "0")).join("");
const text = (bytes) => new TextDecoder("latin1").decode(bytes);
const clip = (x, low, high) => Math.min(Math.max(x, low), high);
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function joined(parts) {
  const found = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    found.set(part, at);
    at += part.length;
  }
  return found;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  for (let bit = 0; bit < 8; bit++) i = i & 1 ? (i >>> 1) ^ 0xedb88320 : i >>> 1;
  return i;
});

function crc32(...parts) {
  let crc = -1;
  for (const part of parts) for (const byte of part) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Send bytes through a stream that transforms them; at most `limit` bytes come out. */
async function transformed(bytes, stream, limit = Infinity) {
  const parts = [];
  let size = 0;
  for (let reader = new Blob([bytes]).stream().pipeThrough(stream).getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return joined(parts);
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      throw damaged("a part of it is too large when inflated");
    }
    parts.push(value);
  }
}

const deflated = (bytes) => transformed(bytes, new CompressionStream("deflate"));

async function inflated(bytes, limit) {
  try {
    return await transformed(bytes, new DecompressionStream("deflate"), limit);
  } catch (error) {
    throw error instanceof FileError ? error : damaged("a zlib stream in it is broken");
  }
}

/* ---- Container: header and chunks ---- */

const SIGNATURE = [0x8a, 0x4d, 0x4c, 0x5a, 0x0d, 0x0a, 0x1a, 0x0a];
const ARCHIVE_SIGNATURE = [0x8a, 0x4d, 0x4c, 0x41, 0x0d, 0x0a, 0x1a, 0x0a];
const HEADER_SIZE = 52;
const MODEL = 0, STORED = 1;
/** What codings are that a page cannot open. */
const OTHER_CODINGS = { 2: "a chain of tiles", 3: "a whole file in pieces", 4: "a whole file as a skeleton and its images" };
const MIXED = 255;
const CRITICAL = ["SEGM", "STOR", "CHAN", "CTXT", "SCHD", "VALS", "GAMT", "TONE", "NEAR", "STAK", "DATA", "JPEG", "SKEL", "STRM", "IMAG", "MEND"];

function readHeader(file) {
  if (equal(file.subarray(0, 8), ARCHIVE_SIGNATURE))
    throw new FileError("This is an archive of images, which this page does not open: 'mulanzip unpack' does.");
  if (!equal(file.subarray(0, 8), SIGNATURE)) throw new FileError("This is not a mulanzip file.");
  if (file.length < HEADER_SIZE) throw damaged("it ends inside of its header");
  const data = view(file);
  const intact = data.getUint32(48, true) === crc32(file.subarray(0, 48));
  if (file[8] !== 0 && intact) throw later(`The file has format version ${file[8]}; this page knows version 0.`);
  if (!intact) throw damaged("the checksum of its header is wrong");
  const header = {
    mode: file[9],
    depth: file[10] & 127,
    signed: file[10] >> 7 === 1,
    coding: file[11] & 63,
    grade: file[11] >> 6,
    width: data.getUint32(12, true),
    height: data.getUint32(16, true),
    schedule: file[22],
    bands: file[23],
    model: file.subarray(24, 32),
    hash: file.subarray(32, 48),
  };
  if (header.coding in OTHER_CODINGS)
    throw new FileError(
      `The file holds ${OTHER_CODINGS[header.coding]}, which this page does not open: 'mulanzip decompress' does.`,
    );
  const { mode, depth, signed, width, height, bands } = header;
  const depths = depth > 8 && depth <= 16 && mode !== PALETTE && mode !== BILEVEL && (!signed || mode === GRAY || mode === BANDS);
  const known = mode <= BANDS && (mode === BANDS) === bands > 0 && (depths || (!signed && depth === (mode === BILEVEL ? 1 : 8)));
  const scheduled = header.schedule < SCHEDULES.length || header.schedule === MIXED;
  const modelled = header.coding === MODEL;
  if (header.coding > STORED || header.grade > 2 || !known || !scheduled || (modelled && (mode === PALETTE || mode === BILEVEL)))
    throw later("The file uses features that this page does not know.");
  if (!width || !height) throw damaged("its image has no pixels");
  if (width > 2 ** 24 || height > 2 ** 24 || width * height > MAX_PIXELS)
    throw new FileError(`The image has ${width}x${height} pixels, too many for this page: use 'mulanzip decompress'.`);
  if (!modelled && (header.schedule || header.model.some((x) => x))) throw damaged("it names a model and uses none");
  const levels = modelled ? levelGrids(height, width).length : 0;
  if (file[20] !== levels || file[21] !== (modelled ? 8 : 0)) throw later("The header of the file uses another geometry.");
  header.channels = bands || CHANNELS[mode];
  header.deep = depth > 8;
  return header;
}

/** The payloads of the chunks, by kind, but the end mark. */
function readChunks(file) {
  const data = view(file);
  const found = new Map();
  for (let at = HEADER_SIZE; ;) {
    if (at + 12 > file.length) throw damaged("it is cut off");
    const end = at + 12 + data.getUint32(at + 4, true);
    if (end > file.length) throw damaged(`the part at byte ${at} is cut off, or has a wrong length`);
    if (data.getUint32(end - 4, true) !== crc32(file.subarray(at, end - 4)))
      throw damaged(`the checksum of the part at byte ${at} is wrong`);
    const kind = text(file.subarray(at, at + 4));
    if (!/^[A-Za-z]{4}$/.test(kind) || (/^[A-Z]/.test(kind) && !CRITICAL.includes(kind)))
      throw later(`The file has a part of the kind ${JSON.stringify(kind)} that this page does not know.`);
    const payload = file.subarray(at + 8, end - 4);
    at = end;
    if (kind === "MEND") {
      if (payload.length || at !== file.length) throw damaged("something follows its end");
      return found;
    }
    if (found.has(kind) && kind !== "SEGM") throw damaged(`it has the part ${kind} twice`);
    found.set(kind, [...(found.get(kind) ?? []), payload]);
  }
}

/** Refuse critical chunks where they have no business, and miss those that must be there. */
function checkChunks(header, chunks) {
  const modelled = header.coding === MODEL;
  const colours = header.mode === RGB || header.mode === RGBA;
  const rules = {
    SEGM: modelled ? null : false,
    STOR: header.coding === STORED,
    CTXT: modelled ? null : false,
    VALS: modelled && header.deep,
    SCHD: modelled && header.schedule === MIXED,
    GAMT: modelled && !header.deep && colours ? null : false,
    TONE: modelled && !header.deep ? null : false,
    NEAR: modelled && header.mode === BANDS ? null : false,
    STAK: header.mode === BANDS ? null : false,
  };
  if (chunks.get("STAK")?.[0].length) throw damaged("the mark of a stack is not empty");
  for (const kind of CRITICAL.slice(0, -1)) {
    const wanted = kind in rules ? rules[kind] : false;
    if (wanted !== null && wanted !== chunks.has(kind))
      throw damaged(`the part ${kind} ${wanted ? "is missing" : "does not belong here"}`);
  }
}

/* ---- Geometry: levels, tiles, segments ---- */

/** The steps of schedules: phases that each reveals. */
const A = 0, H = 1, V = 2, D = 3;
const SCHEDULES = [[[H, V], [D]], [[H, V, D]]];
/** Row and column of each phase in its cell. */
const PHASE_OFFSETS = [[0, 0], [0, 1], [1, 0], [1, 1]];
const TILE_CELLS = 256, SINGLE_TILE_CELLS = 1 << 14, COARSEST_PIXELS = 16, HALO = 8;

/** Levels from fine to coarse. */
function levelGrids(height, width) {
  const grids = [];
  for (let level = 0; ; level++) {
    const [cellHeight, cellWidth] = [(height + 1) >> 1, (width + 1) >> 1];
    grids.push({ level, height, width, cellHeight, cellWidth });
    if (height * width <= COARSEST_PIXELS) return grids;
    [height, width] = [cellHeight, cellWidth];
  }
}

/** The tiles of a level in raster order. */
function tilesOf(grid) {
  const { cellHeight, cellWidth } = grid;
  let [down, across] = [Math.ceil(cellHeight / TILE_CELLS), Math.ceil(cellWidth / TILE_CELLS)];
  if (down * across === 1 && cellHeight * cellWidth > SINGLE_TILE_CELLS)
    [down, across] = cellHeight > cellWidth ? [2, 1] : [1, 2];
  const cut = (cells, i, parts) => Math.floor((cells * i) / parts);
  const found = [];
  for (let y = 0; y < down; y++)
    for (let x = 0; x < across; x++)
      found.push({
        grid,
        top: cut(cellHeight, y, down),
        bottom: cut(cellHeight, y + 1, down),
        left: cut(cellWidth, x, across),
        right: cut(cellWidth, x + 1, across),
      });
  return found;
}

/** Segments in coding order; `first` counts the tiles before. */
function segmentsOf(height, width) {
  const grids = levelGrids(height, width).reverse();
  const base = { base: grids[0], tiles: [], first: 0 };
  const others = [];
  for (const grid of grids.slice(1)) {
    const tiles = tilesOf(grid);
    if (tiles.length === 1) base.tiles.push(...tiles);
    else for (const tile of tiles) others.push({ tiles: [tile], first: base.tiles.length + others.length });
  }
  return [base, ...others];
}

/** The rectangle of pixels that a segment fills, in pixels of its finest level. */
function rectangleOf(segment) {
  const tile = segment.tiles.at(-1);
  if (!tile) return { level: segment.base.level, top: 0, bottom: segment.base.height, left: 0, right: segment.base.width };
  const { level, height, width } = tile.grid;
  const [top, left] = [2 * tile.top, 2 * tile.left];
  return { level, top, bottom: Math.min(2 * tile.bottom, height), left, right: Math.min(2 * tile.right, width) };
}

/* ---- Native library ---- */

const ALIGNMENT = 64;
const KERNEL_SIMD128 = 1;

/** mulanzip.wasm: its functions, and its memory as a stack.  Views end when more memory is taken. */
class Native {
  constructor(exports) {
    this.functions = exports;
    this.memory = exports.memory;
    this.top = exports.__heap_base.value;
    this.tables = this.take(exports.mz_tables_size());
    exports.mz_fill_tables(this.tables);
  }

  /** The address of `size` bytes. */
  take(size) {
    const address = Math.ceil(this.top / ALIGNMENT) * ALIGNMENT;
    this.top = address + size;
    const missing = this.top - this.memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.memory.grow(Math.ceil(missing / 65536) + 16);
      } catch {
        throw new FileError("The image needs more memory than the browser gives to a page.");
      }
    }
    return address;
  }

  uint8(address, count) { return new Uint8Array(this.memory.buffer, address, count); }
  int8(address, count) { return new Int8Array(this.memory.buffer, address, count); }
  int32(address, count) { return new Int32Array(this.memory.buffer, address, count); }

  /** The address of a copy of a typed array. */
  put(array) {
    const address = this.take(array.byteLength);
    this.uint8(address, array.byteLength).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return address;
  }

  /** Call a function that returns an error code. */
  call(name, ...values) {
    if (this.functions[name](...values)) throw damaged(`${name} refuses its numbers`);
  }

  /** Call a function that returns the size of a memory. */
  sizeOf(name, ...values) {
    const size = Number(this.functions[name](...values));
    if (size < 0) throw new FileError("The layers of the model do not fit together.");
    return size;
  }

  hash(name, data, digestSize) {
    const top = this.top;
    const [from, to] = [this.put(data), this.take(digestSize)];
    this.functions[name](from, data.byteLength, to, digestSize);
    const digest = this.uint8(to, digestSize).slice();
    this.top = top;
    return digest;
  }

  blake2b(data, digestSize) { return this.hash("mz_blake2b", data, digestSize); }
  sha256(data) { return this.hash("mz_sha256", data, 32); }
}

/* ---- Model ---- */

const OFFSET_PLANES = 4, COLOURS = 3;
/** Planes that a network sees, by its colours: those of a model of gray images are others. */
const INPUT_PLANES = { 3: 31, 1: 22 };
/** Heads and the pass whose features they take. */
const HEADS = { H: 0, V: 0, D: 1, D0: 0 };
const TYPES = { I8: ["int8", Int8Array], I32: ["int32", Int32Array], U8: ["uint8", Uint8Array] };

/** Names and shapes of the weights of all layers, in order. */
function layerShapes({ channels, blocks, mixtures, hidden, colours }) {
  const found = {};
  for (const pass of [0, 1]) {
    found[`pass.${pass}.stem`] = [channels, INPUT_PLANES[colours], 3, 3];
    for (let i = 0; i < 2 * blocks; i++) found[`pass.${pass}.body.${i}`] = [channels, channels, 3, 3];
  }
  for (const head of Object.keys(HEADS))
    for (let colour = 0; colour < colours; colour++) {
      const name = `head.${head}.${colour}`;
      if (colour) found[`${name}.hidden`] = [hidden, channels + OFFSET_PLANES * colour, 1, 1];
      const inputs = channels + (colour ? hidden : 0);
      found[`${name}.shapes`] = [2 * mixtures, inputs, 1, 1];
      found[`${name}.means`] = [mixtures + colour, inputs, 1, 1];
    }
  return found;
}

/** The tensors of a safetensors file by name, and its metadata. */
function readTensors(file) {
  const size = Number(view(file).getBigUint64(0, true));
  const entries = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + size)));
  const metadata = entries.__metadata__;
  delete entries.__metadata__;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(entries)) {
    const [type, Kind] = TYPES[dtype];
    const bytes = file.slice(8 + size + start, 8 + size + end);
    tensors[name] = { type, shape, values: new Kind(bytes.buffer), bytes };
  }
  return { tensors, metadata };
}

/** A model: config, layers by name, and the prior of contexts.  Its content has the hash that the file names. */
function readModel(native, bytes, id) {
  const wrong = (what) => new FileError(`The model beside this page is damaged: ${what}.`);
  let found;
  try {
    found = readTensors(bytes);
  } catch {
    throw wrong("it is no safetensors file");
  }
  const { tensors, metadata } = found;
  const config = JSON.parse(metadata.config);
  const format = "mulanzip-integer-8";
  if (metadata.format !== format) throw wrong(`it has another format than ${format}`);
  const sorted = Object.keys(config).sort();
  const parts = [`${format}{${sorted.map((key) => `"${key}": ${config[key]}`).join(", ")}}`];
  for (const name of Object.keys(tensors).sort()) {
    const { type, shape, bytes: content } = tensors[name];
    parts.push(`${name} ${type} (${shape.join(", ")}${shape.length === 1 ? "," : ""})`, content);
  }
  const encoded = parts.map((part) => (typeof part === "string" ? new TextEncoder().encode(part) : part));
  if (!equal(native.sha256(joined(encoded)).subarray(0, 8), id)) throw wrong("its content is not what its name says");

  config.colours ??= COLOURS;
  const take = (name, type, shape) => {
    const tensor = tensors[name];
    if (!tensor || tensor.type !== type || !equal(tensor.shape, shape)) throw wrong(`${name} is not as it should be`);
    return tensor.values;
  };
  const shapes = layerShapes(config);
  const layers = {};
  let entries = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const outputs = shape[0];
    layers[name] = {
      shape,
      weight: take(`${name}.weight`, "int8", shape),
      bias: take(`${name}.bias`, "int32", [config.level_classes, outputs]),
      shift: take(`${name}.shift`, "int8", [outputs]),
      first: entries, // Of its entries in a context.
      step: name.endsWith("means") ? 1 : -1,
    };
    entries += outputs;
  }
  const rows = tensors["prior.mass"]?.shape[0];
  const prior = {
    row: take("prior.row", "uint8", [entries]),
    mass: take("prior.mass", "int32", [rows, 255]),
    presets: take("prior.presets", "int8", [config.presets, entries]),
  };
  return { config, layers, prior, entries };
}

/* ---- Symbols beside those of subpixels: contexts, schedules, value edges ---- */

const SLOT_BITS = 24n, SLOTS = 1 << 24;

/** Takes binary decisions off an ANS stack. */
class SymbolReader {
  constructor(data) {
    this.words = wordsOf(data);
    this.left = this.words.length;
    this.state = 0n;
    this.refill();
    this.refill();
  }

  refill() {
    if (this.state >> 32n === 0n && this.left) this.state = (this.state << 32n) | BigInt(this.words[--this.left]);
  }

  /** A bit that is one with the probability `one`, in 2^-16. */
  bit(one) {
    const zeros = Math.floor(((65536 - clip(one, 1, 65535)) * (SLOTS - 2)) / 65536) + 1;
    const slot = Number(this.state & (BigInt(SLOTS) - 1n));
    const bit = slot >= zeros ? 1 : 0;
    const [low, size] = bit ? [zeros, SLOTS - zeros] : [0, zeros];
    this.state = (this.state >> SLOT_BITS) * BigInt(size) + BigInt(slot - low);
    this.refill();
    return bit;
  }

  finish() {
    if (this.left || this.state) throw damaged("coded data go on after their end");
  }
}

/** Coded bytes as words, filled up with zeros. */
function wordsOf(data) {
  if (data.at(-1) === 0) throw damaged("coded data end with padding");
  const filled = new Uint8Array(Math.ceil(data.length / 4) * 4);
  filled.set(data);
  return new Uint32Array(filled.buffer);
}

/** The context of a `CTXT` payload: one integer for each channel of each layer. */
function readContext(payload, { row, mass, presets }) {
  const wrong = damaged("its context is broken");
  const entries = row.length;
  const preset = payload.length ? payload[0] >> 1 : Infinity;
  if (preset * entries > presets.length) throw wrong;
  const context = new Int32Array(entries);
  if (preset) context.set(presets.subarray((preset - 1) * entries, preset * entries));
  if (payload[0] & 1) {
    const below = new Int32Array((mass.length / 255) * 257).fill(0);
    for (let r = 0; r < mass.length / 255; r++) {
      for (let i = 0; i < 255; i++) below[257 * r + i + 1] = below[257 * r + i] + mass[255 * r + i];
      below[257 * r + 256] = 65536;
    }
    const reader = new SymbolReader(payload.subarray(1));
    const symbols = new Int32Array(entries);
    for (let place = 7; place >= 0; place--)
      for (let n = 0; n < entries; n++) {
        const low = 257 * row[n] + symbols[n];
        const [bottom, middle, top] = [below[low], below[low + (1 << place)], below[low + (2 << place)]];
        symbols[n] += reader.bit(Math.floor(((top - middle) * 65536) / Math.max(top - bottom, 1))) << place;
      }
    reader.finish();
    if (symbols.some((x) => x > 254) || symbols.every((x) => x === 127)) throw wrong;
    symbols.forEach((x, n) => (context[n] += x - 127));
  } else if (payload.length > 1) throw wrong;
  if (context.every((x) => x === 0) || context.some((x) => Math.abs(x) > 127)) throw wrong;
  return context;
}

/** The schedule of each of `count` tiles. */
function readSchedules(header, chunks, count) {
  if (header.schedule !== MIXED) return new Array(count).fill(header.schedule);
  const [payload] = chunks.get("SCHD");
  if (!payload.length) throw damaged("its schedules are missing");
  const reader = new SymbolReader(payload.subarray(1));
  const found = Array.from({ length: count }, () => 1 - reader.bit((2 * payload[0] + 1) << 7));
  reader.finish();
  if (new Set(found).size < 2) throw damaged("its schedules are all the same");
  return found;
}

/** Where the values of each colour begin, 257 edges each, in 1/32 level. */
function readEdges(payload, colours) {
  const wrong = damaged("its value edges are broken");
  if (payload.length < 3 || payload[0] > 5) throw wrong;
  const reader = new SymbolReader(payload.subarray(3));
  const differs = (2 * payload[1] + 1) << 7, larger = (2 * payload[2] + 1) << 7;
  const widths = new Int32Array(255 * colours);
  let open = [...widths.keys()].filter(() => reader.bit(differs));
  const negative = open.filter(() => reader.bit(1 << 15));
  for (let size = 1; size < 255; size++) {
    for (const i of open) widths[i] = size;
    open = open.filter(() => reader.bit(larger));
  }
  for (const i of negative) widths[i] *= -1;
  reader.finish();
  return Array.from({ length: colours }, (_, colour) => {
    const edges = Int32Array.from({ length: 257 }, (_, e) => 32 * e);
    let sum = 0;
    for (let e = 1; e < 256; e++) {
      sum += widths[255 * colour + e - 1];
      if (Math.abs(sum) > 127 >> payload[0]) throw wrong;
      edges[e] += sum * (1 << payload[0]);
    }
    for (let e = 0; e < 256; e++) if (edges[e] > edges[e + 1]) throw wrong;
    return edges;
  });
}

/** The values in use of each group of channels, and log2 of the steps that make a level. */
async function readValues(payload, groups, signed) {
  const wrong = damaged("its list of values is broken");
  const content = await inflated(payload, groups * (6 + 8192));
  const data = view(content);
  const found = [];
  let at = 0;
  for (let group = 0; group < groups; group++) {
    if (at + 6 > content.length) throw wrong;
    const [first, last, dense] = [data.getUint16(at + 1, true), data.getUint16(at + 3, true), content[at + 5]];
    const logSteps = content[at] - 4;
    at += 6;
    if (logSteps > 8 || first > last || dense > 1) throw wrong;
    const bits = at;
    const inUse = (i) => dense || (content[bits + (i >> 3)] >> (7 - (i & 7))) & 1;
    const values = [];
    for (let i = 0; i <= last - first; i++) if (inUse(i)) values.push(first + i - (signed ? 32768 : 0));
    if (!dense) {
      at += Math.ceil((last - first + 1) / 8);
      if (at > content.length || !inUse(0) || !inUse(last - first) || values.length > last - first) throw wrong;
      for (let i = last - first + 1; i & 7; i++) if (inUse(i)) throw wrong;
    }
    found.push({ values: Int32Array.from(values), logSteps });
  }
  if (at !== content.length) throw wrong;
  return found;
}

/* ---- Network ---- */

/** A layer, or layers of the same inputs as one, packed for the kernel of WebAssembly; the inputs are split in two. */
function packLayers(native, layers, split) {
  const [, inputs, side] = layers[0].shape;
  const outputs = layers.reduce((sum, layer) => sum + layer.shape[0], 0);
  const join = (key) => {
    const found = new Int8Array(layers.reduce((sum, layer) => sum + layer[key].length, 0));
    layers.reduce((at, layer) => (found.set(layer[key], at), at + layer[key].length), 0);
    return found;
  };
  const shape = native.put(Int32Array.of(KERNEL_SIMD128, side, outputs, split ?? inputs, inputs - (split ?? inputs)));
  const size = native.sizeOf("mz_packed_size", shape);
  const packed = native.take(size);
  const top = native.top;
  native.call("mz_pack_layer", shape, native.put(join("weight")), native.put(join("shift")), packed, BigInt(size));
  native.top = top;
  return packed;
}

/** The integer network of a model, adapted to a context. */
class Network {
  constructor(native, { config, layers }, context) {
    this.native = native;
    this.config = config;
    this.context = context;
    const { channels, blocks } = config;
    this.passes = [0, 1].map((pass) => {
      const names = ["stem", ...Array.from({ length: 2 * blocks }, (_, i) => `body.${i}`)];
      const parts = names.map((name) => layers[`pass.${pass}.${name}`]);
      const packed = parts.map((layer) => packLayers(native, [layer]));
      return { layers: native.put(Uint32Array.from(packed)), count: parts.length, biases: this.biases(parts) };
    });
    this.heads = {};
    for (const head of Object.keys(HEADS))
      this.heads[head] = Array.from({ length: config.colours }, (_, colour) => {
        const [hidden, shapes, means] = ["hidden", "shapes", "means"].map((part) => layers[`head.${head}.${colour}.${part}`]);
        const split = hidden ? channels : undefined;
        return {
          hidden: hidden ? packLayers(native, [hidden], split) : 0,
          hiddenBiases: hidden ? this.biases([hidden]) : [],
          out: packLayers(native, [shapes, means], split),
          outBiases: this.biases([shapes, means]),
        };
      });
  }

  /** Addresses of the biases of layers, one after the other, for each level class. */
  biases(layers) {
    return Array.from({ length: this.config.level_classes }, (_, levelClass) => {
      const found = [];
      for (const { bias, shift, first, step } of layers)
        for (let i = 0; i < shift.length; i++) {
          const moved = this.context ? this.context[first + i] * 2 ** Math.max(0, shift[i] + step) : 0;
          found.push(bias[levelClass * shift.length + i] + moved);
        }
      return this.native.put(Int32Array.from(found));
    });
  }

  levelClass(level) {
    return Math.min(level, this.config.level_classes - 1);
  }

  /** Bytes of working memory for maps of a width. */
  workspaceSize(width) {
    const sizes = this.passes.map(({ layers, count }) => this.native.sizeOf("mz_pass_workspace", layers, count, width));
    for (const head of Object.values(this.heads).flat())
      sizes.push(this.native.sizeOf("mz_head_workspace", head.hidden, head.out));
    return Math.max(...sizes);
  }
}

/* ---- Channel groups: what is coded together ---- */

/** Numbers that a unit has learned. */
const LEARNED = 384;

/** A group while it is decoded: indices in coding order of colours, residuals of the level `finest` and coarser ones. */
class Group {
  constructor(native, header, channels, map) {
    this.channels = channels;
    this.colours = channels.length;
    this.values = map?.values ?? null;
    this.count = map ? map.values.length : 256;
    this.logSteps = map?.logSteps ?? 0;
    this.height = header.height;
    this.width = header.width;
    this.constant = this.count === 1;
    this.native = native;
    this.centres = null;
    this.finest = 1;
    this.residualWidth = (header.width + 1) >> 1;
    this.earlier = [];
    this.learned = null;
    if (this.constant) return;
    this.pixels = new (this.count > 256 ? Uint16Array : Uint8Array)(header.height * header.width * this.colours);
    this.residuals = new Int8Array(((header.height + 1) >> 1) * this.residualWidth * this.colours);
    this.setScales(null, 0);
  }

  /** Look at earlier groups, or be looked at by later ones. */
  look(earlier) {
    this.earlier = earlier;
    this.learned = new Map();
    this.finest = 0;
    this.residualWidth = this.width;
    this.residuals = new Int8Array(this.height * this.width);
  }

  /** Whether its indices stand for the same samples as those of another group. */
  isLike(other) {
    return this.logSteps === other.logSteps && (!this.values || equal(this.values, other.values));
  }

  /** What the native library wants to know of the samples of each colour. */
  setScales(edges, penalty) {
    const { native } = this;
    let forbidden = 0;
    if (penalty) {
      forbidden = native.take(1 << 21);
      native.functions.mz_fill_other_colours(forbidden);
    }
    this.scales = Array.from({ length: this.colours }, (_, colour) =>
      native.put(Int32Array.of(this.count, this.logSteps, edges ? native.put(edges[colour]) : 0, forbidden, penalty)),
    );
    this.centres = edges?.map((own) => Int32Array.from({ length: 256 }, (_, v) =>
      v === 0 || v === 255 ? 32 * v : ((own[v] + own[v + 1]) >> 1) - 16,
    ));
  }

  /** The position of a value of a colour, in 1/32 level. */
  position(value, colour) {
    if (this.centres) return this.centres[colour][value];
    return this.logSteps < 0 ? value << (5 - this.logSteps) : (value << 5) >> this.logSteps;
  }

  /** The indices of a rectangle of a level, row by row. */
  rectangle({ level, top, bottom, left, right }) {
    const { colours, width, pixels } = this;
    const found = new pixels.constructor((bottom - top) * (right - left) * colours);
    let to = 0;
    for (let y = top; y < bottom; y++)
      for (let x = left; x < right; x++) {
        const from = ((y << level) * width + (x << level)) * colours;
        for (let c = 0; c < colours; c++) found[to++] = pixels[from + c];
      }
    return found;
  }

  /** The sample that an index stands for. */
  sample(index) {
    return this.values ? this.values[index] : index;
  }
}

/** Decodes the tiles of a segment. */
class SegmentDecoder {
  constructor(native, network, group, payload) {
    Object.assign(this, { native, network, group });
    const words = wordsOf(payload);
    this.decoder = native.take(24);
    native.call("mz_decoder_start", this.decoder, native.put(words), BigInt(words.length));
  }

  /** The coarsest level. */
  decodeBase(grid) {
    const { native, group } = this;
    const { level, height, width } = grid;
    const count = height * width * group.colours;
    const address = native.take(4 * count);
    native.call("mz_decode_uniform", this.decoder, group.count, BigInt(count), address);
    const values = native.int32(address, count);
    let from = 0;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let c = 0; c < group.colours; c++)
          group.pixels[((y << level) * group.width + (x << level)) * group.colours + c] = values[from++];
  }

  decodeTile(tile, schedule) {
    const { native } = this;
    const top = native.top;
    this.begin(tile);
    let hasFeatures = false;
    for (const phases of SCHEDULES[schedule]) {
      const early = phases.includes(H) || phases.includes(V);
      native.call("mz_input_planes", this.cellsStruct, this.at.planes);
      if (!hasFeatures || early) this.runPass(0, 0, this.at.features0);
      hasFeatures = true;
      if (!early) this.runPass(1, this.at.features0, this.at.features1);
      const features = early ? this.at.features0 : this.at.features1;
      const bases = phases.map((phase) => this.basePrediction(phase));
      phases.forEach((phase, i) => {
        const head = "AHVD"[phase] + (early && phase === D ? "0" : "");
        this.decodePhase(phase, head, features, bases[i]);
      });
    }
    native.top = top;
  }

  /** Take all memory that a tile needs, and write what is known of it: phase A of the tile and of its halo. */
  begin(tile) {
    const { native, network, group } = this;
    const { grid } = tile;
    const { channels, mixtures, colours } = network.config;
    const [height, width] = [tile.bottom - tile.top, tile.right - tile.left];
    const halo = {
      top: Math.max(0, tile.top - HALO),
      bottom: Math.min(grid.cellHeight, tile.bottom + HALO),
      left: Math.max(0, tile.left - HALO),
      right: Math.min(grid.cellWidth, tile.right + HALO),
    };
    const [h, w] = [halo.bottom - halo.top, halo.right - halo.left];
    const n = height * width;
    const plane = (height + 4) * (width + 4);
    const sizes = {
      cells: 16 * colours * h * w, known: 4 * h * w, planes: INPUT_PLANES[colours] * h * w,
      features0: channels * h * w, features1: channels * h * w,
      values: 16 * plane * group.colours, residuals: 4 * plane * group.colours,
      rows: channels * n, offsets: 8 * n, offsetPlanes: 8 * n, shapes: 2 * mixtures * n, means: 4 * (mixtures + 2) * n,
      earlierValues: 16 * plane * group.earlier.length, earlierResiduals: 4 * plane * group.earlier.length,
      learned: group.learned ? 4 * LEARNED : 0,
      baseH: 4 * colours * n, baseV: 4 * colours * n, baseD: 4 * colours * n,
    };
    this.workspaceSize = network.workspaceSize(w);
    const at = (this.at = {});
    for (const [name, size] of Object.entries(sizes)) at[name] = native.take(size);
    at.workspace = native.take(this.workspaceSize);
    this.cellsStruct = native.put(Int32Array.of(1, h, w, colours, group.count, group.logSteps, at.cells, at.known));
    const earlier = [group.earlier.length, at.earlierValues, at.earlierResiduals];
    this.tileStruct = native.put(Int32Array.of(1, group.colours, height, width, at.values, at.residuals, ...earlier));
    this.unitStruct = native.take(40);
    Object.assign(this, { tile, halo, height, width, h, w, plane, levelClass: network.levelClass(grid.level) });

    // No memory is taken from here on, so views stay.
    this.cells = native.int32(at.cells, 4 * colours * h * w);
    this.known = native.uint8(at.known, 4 * h * w).fill(0);
    this.values = native.int32(at.values, 4 * plane * group.colours).fill(-1);
    this.residuals = native.int8(at.residuals, 4 * plane * group.colours).fill(0);
    this.writeKnown();
    group.earlier.forEach((other, number) => this.writeEarlier(other, number));
  }

  /** Write what an earlier group has in the tile. */
  writeEarlier(other, number) {
    const { native, group, tile, height, width, plane, at } = this;
    const { level } = tile.grid;
    const values = native.int32(at.earlierValues + 16 * plane * number, 4 * plane).fill(-1);
    const residuals = native.int8(at.earlierResiduals + 4 * plane * number, 4 * plane).fill(0);
    const alike = group.isLike(other);
    PHASE_OFFSETS.forEach(([down, across], phase) => {
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const [row, column] = [2 * (tile.top + y) + down, 2 * (tile.left + x) + across];
          if (row >= tile.grid.height || column >= tile.grid.width) continue;
          const to = phase * plane + (y + 2) * (width + 4) + x + 2;
          const from = (row << level) * group.width + (column << level);
          residuals[to] = other.residuals[from];
          if (alike) values[to] = other.pixels[from];
        }
    });
  }

  writeKnown() {
    const { group, tile, halo, cells, known, w } = this;
    const { colours } = group;
    const seen = this.network.config.colours;
    const coarser = tile.grid.level + 1;
    for (let y = halo.top; y < halo.bottom; y++)
      for (let x = halo.left; x < halo.right; x++) {
        const cell = (y - halo.top) * w + x - halo.left;
        const from = ((y << coarser) * group.width + (x << coarser)) * colours;
        // A network of three colours sees a gray image three times.
        for (let c = 0; c < seen; c++) cells[4 * seen * cell + c] = group.pixels[from + (colours === 1 ? 0 : c)];
        known[4 * cell] = 1;
      }
    const BORDER = 2;
    const row = this.width + 2 * BORDER;
    const [bottom, right] = [Math.min(tile.grid.cellHeight, tile.bottom + BORDER), Math.min(tile.grid.cellWidth, tile.right + BORDER)];
    for (let y = Math.max(0, tile.top - BORDER); y < bottom; y++)
      for (let x = Math.max(0, tile.left - BORDER); x < right; x++) {
        const to = (y - tile.top + BORDER) * row + x - tile.left + BORDER;
        const pixel = ((y << coarser) * group.width + (x << coarser)) * colours;
        const step = coarser - group.finest;
        const residual = ((y << step) * group.residualWidth + (x << step)) * colours;
        for (let c = 0; c < colours; c++) {
          this.values[4 * c * this.plane + to] = group.pixels[pixel + c];
          this.residuals[4 * c * this.plane + to] = group.residuals[residual + c];
        }
      }
  }

  runPass(index, start, features) {
    const { network, native, h, w, at } = this;
    const { layers, count, biases } = network.passes[index];
    native.call(
      "mz_run_pass", layers, biases[this.levelClass], count, at.planes, 1, h, w, 0, h, start, features,
      at.workspace, BigInt(this.workspaceSize),
    );
  }

  /** Rows and columns of the cells that have a phase. */
  extent(phase) {
    const { tile } = this;
    const [down, across] = PHASE_OFFSETS[phase];
    const { height, width } = tile.grid;
    return [
      Math.max(0, Math.min(2 * tile.bottom, height) - 2 * tile.top + 1 - down) >> 1,
      Math.max(0, Math.min(2 * tile.right, width) - 2 * tile.left + 1 - across) >> 1,
    ];
  }

  /** The address of the base predictions of a phase. */
  basePrediction(phase) {
    const [rows, columns] = this.extent(phase);
    const [top, left] = [this.tile.top - this.halo.top, this.tile.left - this.halo.left];
    const base = this.at[`base${"AHVD"[phase]}`];
    this.native.call("mz_base_prediction", this.cellsStruct, phase, top, top + rows, left, left + columns, base);
    return base;
  }

  decodePhase(phase, headName, features, base) {
    const { native, network, group, at, tile, halo } = this;
    const { channels, mixtures } = network.config;
    const [rows, columns] = this.extent(phase);
    const n = rows * columns;
    if (!n) return;
    const [top, left] = [tile.top - halo.top, tile.left - halo.left];
    const memory = native.uint8(0, native.memory.buffer.byteLength);
    for (let y = 0; y < rows; y++) {
      const from = features + ((top + y) * this.w + left) * channels;
      memory.copyWithin(at.rows + y * columns * channels, from, from + columns * channels);
    }
    const bases = native.int32(base, network.config.colours * n);
    const offsets = native.int32(at.offsets, 2 * n);
    for (let colour = 0; colour < group.colours; colour++) {
      const head = network.heads[headName][colour];
      if (colour) native.call("mz_offset_planes", at.offsets, colour, BigInt(n), at.offsetPlanes);
      native.call(
        "mz_run_head", head.hidden, head.hiddenBiases[this.levelClass] ?? 0, head.out, head.outBiases[this.levelClass],
        at.rows, colour ? at.offsetPlanes : 0, BigInt(n), 2 * mixtures, at.shapes, at.means,
        at.workspace, BigInt(this.workspaceSize),
      );
      const own = base + 4 * colour * n;
      const unit = [phase, colour, rows, columns, mixtures, at.shapes, at.means, own, at.offsets];
      native.int32(this.unitStruct, 10).set([...unit, group.learned ? at.learned : 0]);
      const key = [tile.grid.level, tile.top, tile.left, phase].join();
      const learned = native.int32(at.learned, group.learned ? LEARNED : 0);
      if (group.earlier.length) learned.set(group.earlier[0].learned.get(key));
      else learned.fill(0);
      native.call("mz_decode_unit", native.tables, group.scales[colour], this.tileStruct, this.unitStruct, this.decoder);
      group.learned?.set(key, learned.slice());
      const next = colour + 1 < group.colours ? offsets.subarray(colour * n, (colour + 1) * n) : null;
      this.keep(phase, colour, rows, columns, next, bases.subarray(colour * n));
    }
  }

  /** Write decoded values where the network, finer levels and later colours find them. */
  keep(phase, colour, rows, columns, offsets, base) {
    const { group, tile, halo, cells, known } = this;
    const { level } = tile.grid;
    const { colours } = group;
    const seen = this.network.config.colours;
    const [down, across] = PHASE_OFFSETS[phase];
    for (let y = 0, i = 0; y < rows; y++) {
      let from = (4 * colour + phase) * this.plane + (y + 2) * (this.width + 4) + 2;
      let cell = (tile.top - halo.top + y) * this.w + tile.left - halo.left;
      const row = 2 * (tile.top + y) + down;
      for (let x = 0; x < columns; x++, from++, cell++, i++) {
        const value = this.values[from];
        const column = 2 * (tile.left + x) + across;
        group.pixels[((row << level) * group.width + (column << level)) * colours + colour] = value;
        if (level >= group.finest) {
          const step = level - group.finest;
          const to = (row << step) * group.residualWidth + (column << step);
          group.residuals[to * colours + colour] = this.residuals[from];
        }
        const sample = seen * (4 * cell + phase);
        if (colours === 1) cells.fill(value, sample, sample + seen);
        else cells[sample + colour] = value;
        known[4 * cell + phase] = 1;
        if (offsets) offsets[i] = group.position(value, colour) - base[i];
      }
    }
  }

  isEmpty() {
    return this.native.functions.mz_decoder_is_empty(this.decoder) === 1;
  }
}

/* ---- Images that a model codes ---- */

/** The positions of the channels of each group. */
function channelGroups({ mode, channels }) {
  const colours = mode === RGB || mode === RGBA ? 3 : 0;
  const single = Array.from({ length: channels - colours }, (_, i) => [colours + i]);
  return colours ? [[1, 0, 2], ...single] : single; // Colours are coded in the order green, red, blue.
}

async function decodeModelled(native, header, chunks, findModel, report) {
  const channels = channelGroups(header);
  const maps = header.deep ? await readValues(chunks.get("VALS")[0], channels.length, header.signed) : [];
  const groups = channels.map((own, i) => new Group(native, header, own, maps[i]));
  const [penalty, tone] = [chunks.get("GAMT")?.[0], chunks.get("TONE")?.[0]];
  if (penalty && (penalty.length !== 1 || penalty[0] < 1 || penalty[0] > 31)) throw damaged("its gamut is broken");
  if (penalty || tone) groups[0].setScales(tone ? readEdges(tone, groups[0].colours) : null, penalty?.[0] ?? 0);
  if (chunks.has("NEAR")) await readNeighbours(chunks.get("NEAR")[0], groups);
  const varying = groups.filter((group) => !group.constant);
  const segments = segmentsOf(header.height, header.width);
  const payloads = chunks.get("SEGM") ?? [];
  if (payloads.length !== segments.length * varying.length) throw damaged("it has too many or too few segments");
  const tiles = segments.reduce((sum, segment) => sum + segment.tiles.length, 0);
  const schedules = readSchedules(header, chunks, tiles * varying.length);

  const pixels = new (header.deep ? (header.signed ? Int16Array : Uint16Array) : Uint8Array)(
    header.height * header.width * header.channels,
  );
  const picture = { ...header, pixels };
  if (varying.length) {
    const bytes = await findModel(hex(header.model));
    if (!bytes)
      throw new FileError(`The file was made with the model ${hex(header.model)}, which is not beside this page.`);
    const model = readModel(native, bytes, header.model);
    const [coded] = chunks.get("CTXT") ?? [];
    if (varying.some((group) => group.colours > model.config.colours))
      throw damaged("it has colours, and names a model of gray images");
    const network = new Network(native, model, coded ? readContext(coded, model.prior) : null);
    const work = segments.map((segment) => segment.tiles.reduce((sum, t) => sum + (t.bottom - t.top) * (t.right - t.left), 1));
    const all = varying.length * work.reduce((sum, x) => sum + x, 0);
    let done = 0;
    varying.forEach((group, number) =>
      segments.forEach((segment, i) => {
        const payload = payloads[number * segments.length + i];
        const name = `segment ${i + 1} of ${segments.length}`;
        decodeSegment(native, network, group, segment, payload, schedules.slice(number * tiles), name);
        done += work[i];
        report.progress?.(done / all);
        // Alpha is shown in the end.
        if (group === groups[0]) report.preview?.(previewOf(header, group, rectangleOf(segment)));
      }),
    );
  }
  for (const group of groups) restore(group, header, pixels);
  return picture;
}

/** Which groups look at which. */
async function readNeighbours(payload, groups) {
  const MAX_EARLIER = 2, MAX_DISTANCE = 16;
  const distances = await inflated(payload, MAX_EARLIER * groups.length);
  const found = groups.map((group, i) => {
    const [first, second] = distances.subarray(MAX_EARLIER * i, MAX_EARLIER * (i + 1));
    const own = [first, second].filter((x) => x).map((x) => groups[i - x]);
    const sound = first !== second || !first;
    if (!sound || (second && !first) || Math.max(first, second) > MAX_DISTANCE || own.some((x) => !x || x.constant || group.constant))
      throw damaged("its list of earlier slices is broken");
    return own;
  });
  if (distances.length !== MAX_EARLIER * groups.length || found.every((own) => !own.length))
    throw damaged("its list of earlier slices is broken");
  const seen = new Set(found.flat());
  groups.forEach((group, i) => {
    if (found[i].length || seen.has(group)) group.look(found[i]);
  });
}

function decodeSegment(native, network, group, segment, payload, schedules, name) {
  const HASH_BYTES = 8;
  const top = native.top;
  const decoder = new SegmentDecoder(native, network, group, payload.subarray(HASH_BYTES));
  if (segment.base) decoder.decodeBase(segment.base);
  segment.tiles.forEach((tile, i) => decoder.decodeTile(tile, schedules[segment.first + i]));
  const samples = group.rectangle(rectangleOf(segment));
  if (!decoder.isEmpty() || !equal(native.blake2b(samples, HASH_BYTES), payload.subarray(0, HASH_BYTES)))
    throw damaged(`${name} does not decode to the pixels that it promises`);
  native.top = top;
}

/** Write the samples of a group to its channels of the image. */
function restore(group, { channels }, pixels) {
  const count = pixels.length / channels;
  group.channels.forEach((channel, c) => {
    for (let i = 0; i < count; i++) {
      const index = group.constant ? 0 : group.pixels[i * group.colours + c];
      if (group.values && index >= group.values.length) throw damaged("a sample has none of the values that it lists");
      pixels[i * channels + channel] = group.sample(index);
    }
  });
}

/** BLAKE2b-128 of a picture: of its mode, size, kind of samples, palette and samples. */
function pixelHash(native, { mode, width, height, bands, deep, signed, palette, pixels }) {
  const head = new DataView(new ArrayBuffer(12));
  head.setUint8(0, mode);
  head.setUint32(1, width, true);
  head.setUint32(5, height, true);
  [bands, pixels.BYTES_PER_ELEMENT, signed ? 1 : 0].forEach((x, i) => head.setUint8(9 + i, x));
  const parts = [new Uint8Array(head.buffer, 0, deep || bands ? 12 : 9), palette ?? new Uint8Array()];
  return native.blake2b(joined([...parts, new Uint8Array(pixels.buffer)]), 16);
}

/* ---- Stored images ---- */

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PNG_COLOUR_TYPES = [0, 4, 2, 6, 3, 0];

/** The kind of a stored image by its first bytes; null if it is none. */
function storedKind(bytes) {
  if (equal(bytes.subarray(0, 8), PNG_SIGNATURE)) return "PNG";
  if (text(bytes.subarray(0, 4)) === "RIFF") return "WebP";
  if ((bytes[0] === 0xff && bytes[1] === 0x0a) || text(bytes.subarray(4, 8)) === "JXL ") return "JPEG XL";
  return null;
}

async function decodeStored(header, payload) {
  const picture = { ...header };
  let image = payload;
  if (header.mode === PALETTE) [picture.palette, image] = await splitPalette(payload);
  const kind = storedKind(image);
  if (!kind) throw damaged("its stored image is of no known kind");
  const { width, bands, deep, signed } = header;
  const height = header.height * (bands || 1); // Bands lie one below the other.
  const channels = bands ? 1 : header.channels;
  const samples =
    kind === "PNG"
      ? await readPng(image, header, width, height, channels)
      : await decodeInBrowser(image, kind, header, width, height, channels);
  const pixels = deep ? (signed ? Int16Array.from(samples, (x) => x - 32768) : samples) : samples;
  picture.pixels = bands ? interleaved(pixels, bands) : pixels;
  return picture;
}

/** Bands one after the other -> samples of each pixel together. */
function interleaved(planes, bands) {
  const found = new planes.constructor(planes.length);
  const count = planes.length / bands;
  for (let band = 0; band < bands; band++)
    for (let i = 0; i < count; i++) found[i * bands + band] = planes[band * count + i];
  return found;
}

/** The palette, and the image that follows its zlib stream. */
async function splitPalette(payload) {
  for (let at = 8; at < Math.min(payload.length, 2048); at++) {
    if (!storedKind(payload.subarray(at))) continue;
    try {
      const palette = await inflated(payload.subarray(0, at), 768);
      if (palette.length && palette.length % 3 === 0) return [palette, payload.subarray(at)];
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
    }
  }
  throw damaged("its palette is broken");
}

/** The samples of a PNG file without interlacing. */
async function readPng(file, { mode, depth, deep, bands }, width, height, channels) {
  const data = view(file);
  const bits = depth === 1 ? 1 : deep ? 16 : 8;
  const type = bands || mode === PALETTE ? 0 : PNG_COLOUR_TYPES[mode];
  const parts = [];
  for (let at = 8; at + 12 <= file.length;) {
    const [size, kind] = [data.getUint32(at), text(file.subarray(at + 4, at + 8))];
    const content = file.subarray(at + 8, at + 8 + size);
    if (kind === "IHDR") {
      const found = [data.getUint32(at + 8), data.getUint32(at + 12), content[8], content[9], content[12]];
      if (!equal(found, [width, height, bits, type, 0])) throw damaged("its stored PNG does not fit its header");
    } else if (kind === "IDAT") parts.push(content);
    at += 12 + size;
  }
  const bytesPerRow = Math.ceil((width * channels * bits) / 8);
  const step = Math.ceil((channels * bits) / 8);
  const rows = await inflated(joined(parts), height * (bytesPerRow + 1));
  if (rows.length !== height * (bytesPerRow + 1)) throw damaged("its stored PNG is too short");
  const bytes = unfiltered(rows, height, bytesPerRow, step);
  if (bits === 8) return bytes;
  if (bits === 16) return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => (bytes[2 * i] << 8) | bytes[2 * i + 1]);
  return Uint8Array.from({ length: height * width }, (_, i) => {
    const x = i % width;
    return (bytes[Math.floor(i / width) * bytesPerRow + (x >> 3)] >> (7 - (x & 7))) & 1;
  });
}

function paeth(a, b, c) {
  const [da, db, dc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return da <= db && da <= dc ? a : db <= dc ? b : c;
}

function unfiltered(rows, height, size, step) {
  const found = new Uint8Array(height * size);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (size + 1)];
    for (let x = 0; x < size; x++) {
      const at = y * size + x;
      const a = x < step ? 0 : found[at - step], b = y ? found[at - size] : 0, c = x < step || !y ? 0 : found[at - size - step];
      const predicted = [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter];
      if (predicted === undefined) throw damaged("its stored PNG has an unknown filter");
      found[at] = rows[y * (size + 1) + 1 + x] + predicted;
    }
  }
  return found;
}

/** The samples of a WebP or JPEG XL image, if the browser can open it. */
async function decodeInBrowser(file, kind, { deep }, width, height, channels) {
  const refused = new FileError(
    `The image is stored as ${kind}, which this browser does not open here: 'mulanzip decompress' does.`,
  );
  if (deep || typeof createImageBitmap !== "function" || typeof OffscreenCanvas !== "function") throw refused;
  let bitmap;
  try {
    const type = kind === "WebP" ? "image/webp" : "image/jxl";
    bitmap = await createImageBitmap(new Blob([file], { type }), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw refused;
  }
  if (bitmap.width !== width || bitmap.height !== height) throw damaged("its stored image has another size");
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const places = [[0], [0, 3], [0, 1, 2], [0, 1, 2, 3]][channels - 1];
  return Uint8Array.from({ length: width * height * channels }, (_, i) => rgba[4 * Math.floor(i / channels) + places[i % channels]]);
}

/* ---- Metadata ---- */

const METADATA = ["iccp", "exif", "xmpm", "pngc", "phys", "trns"];

async function readMetadata(chunks) {
  const found = {};
  for (const kind of METADATA) if (chunks.has(kind)) found[kind] = await inflated(chunks.get(kind)[0], 2 ** 28);
  return found;
}

/* ---- The decoder ---- */

/**
 * Decode a file.
 *
 * @param {Uint8Array} file the bytes of a .mzp file.
 * @param {BufferSource | WebAssembly.Module} wasm mulanzip.wasm.
 * @param {(id: string) => Promise<Uint8Array | null>} findModel the model file whose SHA-256 begins with 16 hex digits.
 * @param {{progress?: (share: number) => void, preview?: (part: object) => void}} report is told of what is done.
 * @returns a picture: mode, width, height, channels, depth, signed, `pixels` (a typed array in raster order, samples of
 *   a pixel side by side), `palette` (bytes; palette images only), `metadata` (bytes by kind).  It has the pixel hash
 *   of the file.
 * @throws {FileError} whose message says why the file cannot be opened.
 */
export async function decode(file, wasm, findModel, report = {}) {
  const header = readHeader(file);
  const chunks = readChunks(file);
  checkChunks(header, chunks);
  const loaded = await WebAssembly.instantiate(wasm, {});
  const native = new Native((loaded.instance ?? loaded).exports);
  const metadata = await readMetadata(chunks);
  const modelled = header.coding === MODEL;
  const picture = modelled
    ? await decodeModelled(native, header, chunks, findModel, report)
    : await decodeStored(header, chunks.get("STOR")[0]);
  if (!equal(pixelHash(native, picture), header.hash))
    throw modelled || header.mode !== RGBA
      ? damaged("its pixels do not have the hash that it promises")
      : new FileError("The browser changes pixels that are partly transparent: 'mulanzip decompress' restores them.");
  return { ...picture, metadata };
}

/* ---- What is shown ---- */

/** Samples -> what is shown of them, 0..255.  Deep gray images and bands are shown from their least to their largest
 *  value. */
function toneOf({ mode, depth, deep }, least, largest) {
  if (mode === BILEVEL) return (x) => 255 * x;
  if (!deep) return (x) => x;
  if (mode === GRAY || mode === BANDS) return (x) => Math.round(((x - least) * 255) / Math.max(1, largest - least));
  return (x) => x >> (depth - 8);
}

/** RGBA of a rectangle of a level, of the first group of channels. */
function previewOf(header, group, rectangle) {
  const { level, top, bottom, left, right } = rectangle;
  const tone = toneOf(header, group.values?.[0], group.values?.at(-1));
  const indices = group.rectangle(rectangle);
  const count = indices.length / group.colours;
  const rgba = new Uint8ClampedArray(4 * count).fill(255);
  for (let i = 0; i < count; i++)
    for (let c = 0; c < COLOURS; c++) {
      const place = group.colours === 1 ? 0 : group.channels.indexOf(c);
      rgba[4 * i + c] = tone(group.sample(indices[i * group.colours + place]));
    }
  return { left: left << level, top: top << level, step: 1 << level, width: right - left, height: bottom - top, rgba };
}

/** RGBA of a picture: of bands the first one. */
function shown(picture) {
  const { mode, width, height, channels, pixels, palette, metadata } = picture;
  const count = width * height;
  const rgba = new Uint8ClampedArray(4 * count).fill(255);
  if (mode === PALETTE) {
    for (let i = 0; i < count; i++) {
      for (let c = 0; c < COLOURS; c++) rgba[4 * i + c] = palette[3 * pixels[i] + c] ?? 0;
      rgba[4 * i + 3] = metadata.trns?.[pixels[i]] ?? 255;
    }
    return rgba;
  }
  let [least, largest] = [Infinity, -Infinity];
  for (let i = 0; i < pixels.length; i += channels) {
    least = Math.min(least, pixels[i]);
    largest = Math.max(largest, pixels[i]);
  }
  const tone = toneOf(picture, least, largest);
  const colours = mode === RGB || mode === RGBA;
  const alpha = mode === GRAY_ALPHA ? 1 : mode === RGBA ? 3 : 0;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < COLOURS; c++) rgba[4 * i + c] = tone(pixels[i * channels + (colours ? c : 0)]);
    if (alpha) rgba[4 * i + 3] = tone(pixels[i * channels + alpha]);
  }
  return rgba;
}

/* ---- PNG ---- */

/** Why a picture cannot be a PNG file; an empty text if it can. */
export function whyNoPng({ mode, signed }) {
  if (mode === BANDS) return "PNG files have no bands: 'mulanzip decompress' writes TIFF.";
  return signed ? "PNG files have no negative samples: 'mulanzip decompress' writes TIFF." : "";
}

function pngChunk(kind, content) {
  const found = new Uint8Array(12 + content.length);
  const data = view(found);
  data.setUint32(0, content.length);
  found.set(new TextEncoder().encode(kind), 4);
  found.set(content, 8);
  data.setUint32(8 + content.length, crc32(found.subarray(4, 8 + content.length)));
  return found;
}

/** The rows of a PNG file, filtered by the rule of the least sum of differences. */
function filteredRows(bytes, height, size, step) {
  const found = new Uint8Array(height * (size + 1));
  const trial = new Uint8Array(size);
  for (let y = 0; y < height; y++) {
    let least = Infinity;
    for (let filter = 0; filter < 5; filter++) {
      let sum = 0;
      for (let x = 0; x < size; x++) {
        const at = y * size + x;
        const a = x < step ? 0 : bytes[at - step], b = y ? bytes[at - size] : 0, c = x < step || !y ? 0 : bytes[at - size - step];
        const predicted = filter === 0 ? 0 : filter === 1 ? a : filter === 2 ? b : filter === 3 ? (a + b) >> 1 : paeth(a, b, c);
        trial[x] = bytes[at] - predicted;
        sum += trial[x] < 128 ? trial[x] : 256 - trial[x];
      }
      if (sum >= least) continue;
      least = sum;
      found[y * (size + 1)] = filter;
      found.set(trial, y * (size + 1) + 1);
    }
  }
  return found;
}

/** Samples as the bytes of PNG rows: of one bit, of a byte, or of two. */
function pngBytes({ mode, width, height, deep, pixels }) {
  if (deep) {
    const found = new Uint8Array(2 * pixels.length);
    pixels.forEach((x, i) => view(found).setUint16(2 * i, x));
    return found;
  }
  if (mode !== BILEVEL) return pixels;
  const size = Math.ceil(width / 8);
  const found = new Uint8Array(height * size);
  pixels.forEach((bit, i) => (found[Math.floor(i / width) * size + ((i % width) >> 3)] |= bit << (7 - ((i % width) & 7))));
  return found;
}

async function metadataChunks({ iccp, exif, xmpm, pngc, phys, trns }, palette) {
  const ascii = (x) => new TextEncoder().encode(x);
  const found = [];
  for (let at = 0; pngc && at + 8 <= pngc.length;) {
    const size = view(pngc).getUint32(at);
    found.push(pngChunk(text(pngc.subarray(at + 4, at + 8)), pngc.subarray(at + 8, at + 8 + size)));
    at += 8 + size;
  }
  if (iccp) found.push(pngChunk("iCCP", joined([ascii("ICC profile\0\0"), await deflated(iccp)])));
  if (exif) found.push(pngChunk("eXIf", exif));
  if (xmpm) found.push(pngChunk("iTXt", joined([ascii("XML:com.adobe.xmp\0\0\0\0\0"), xmpm])));
  if (phys) {
    const content = new Uint8Array(9);
    for (const i of [0, 1]) view(content).setUint32(4 * i, Math.round(view(phys).getFloat64(8 * i, true) / 0.0254));
    content[8] = 1;
    found.push(pngChunk("pHYs", content));
  }
  const afterPalette = (chunk) => ["bKGD", "hIST"].includes(text(chunk.subarray(4, 8)));
  return [
    ...found.filter((chunk) => !afterPalette(chunk)),
    ...(palette ? [pngChunk("PLTE", palette)] : []),
    ...(trns ? [pngChunk("tRNS", trns)] : []),
    ...found.filter(afterPalette),
  ];
}

/** A picture as the bytes of a PNG file, with its metadata. */
export async function toPng(picture) {
  const { mode, width, height, depth, deep, channels, palette, metadata } = picture;
  const bits = depth === 1 ? 1 : deep ? 16 : 8;
  const head = new Uint8Array(13);
  view(head).setUint32(0, width);
  view(head).setUint32(4, height);
  head.set([bits, PNG_COLOUR_TYPES[mode], 0, 0, 0], 8);
  const size = Math.ceil((width * channels * bits) / 8);
  const rows = filteredRows(pngBytes(picture), height, size, Math.ceil((channels * bits) / 8));
  return joined([
    Uint8Array.from(PNG_SIGNATURE),
    pngChunk("IHDR", head),
    ...(await metadataChunks(metadata, palette)),
    pngChunk("IDAT", await deflated(rows)),
    pngChunk("IEND", new Uint8Array()),
  ]);
}

/* ---- Worker: decodes, so that the page stays alive ---- */

const nameOfDepth = ({ mode, depth, signed, bands }) =>
  `${signed ? "signed, " : ""}${depth} bit${depth > 1 ? "s" : ""} a sample, ${bands ? `${bands} ` : ""}${MODES[mode]}`;

function runWorker() {
  const beside = async (name) => {
    const response = await fetch(new URL(name, import.meta.url));
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
  };
  const wasm = beside("mulanzip.wasm").then((bytes) => WebAssembly.compile(bytes));
  const findModel = (id) => beside(`models/${id}.safetensors`);
  let picture = null;

  async function open(file) {
    const started = performance.now();
    const header = readHeader(file);
    postMessage({ kind: "size", width: header.width, height: header.height });
    picture = await decode(file, await wasm, findModel, {
      progress: (share) => postMessage({ kind: "progress", share }),
      preview: (part) => postMessage({ kind: "preview", ...part }, [part.rgba.buffer]),
    });
    const { width, height, grade } = picture;
    const rgba = shown(picture);
    const facts =
      `${width}x${height}, ${nameOfDepth(picture)}, ${((performance.now() - started) / 1000).toFixed(1)} s. ` +
      "All hashes are right." +
      (picture.mode === BANDS && picture.bands > 1 ? " The first band is shown." : "") +
      (grade === 2 ? " 'mulanzip decompress' restores the source byte for byte." : "");
    postMessage({ kind: "picture", width, height, rgba, facts, whyNoPng: whyNoPng(picture) }, [rgba.buffer]);
  }

  const requests = {
    open: ({ file }) => open(file),
    save: async () => postMessage({ kind: "png", png: await toPng(picture) }),
  };
  self.onmessage = ({ data }) =>
    requests[data.kind](data).catch((error) => {
      if (!(error instanceof FileError)) console.error(error);
      const message = error instanceof FileError ? error.message : `This page has a fault: ${error.message}`;
      postMessage({ kind: "error", message });
    });
}

/* ---- Page ---- */

function runPage() {
  const element = (id) => document.getElementById(id);
  const [canvas, bar, message, save, input] = ["picture", "bar", "message", "save", "file"].map(element);
  const context = canvas.getContext("2d");
  let worker = null;
  let name = "";

  /** The page's state is for style sheets and tests: empty, busy, done or failed. */
  const say = (state, words) => {
    document.body.dataset.state = state;
    message.textContent = words;
  };

  const answers = {
    size: ({ width, height }) => {
      [canvas.width, canvas.height] = [width, height];
    },
    progress: ({ share }) => {
      bar.value = share;
    },
    preview: ({ left, top, step, width, height, rgba }) => {
      const small = new OffscreenCanvas(width, height);
      small.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
      context.imageSmoothingEnabled = false;
      context.drawImage(small, left, top, width * step, height * step);
    },
    picture: ({ width, height, rgba, facts, whyNoPng: reason }) => {
      context.putImageData(new ImageData(rgba, width, height), 0, 0);
      bar.value = 1;
      save.disabled = reason !== "";
      say("done", `${name}: ${facts} ${reason}`);
    },
    png: ({ png }) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([png], { type: "image/png" }));
      link.download = name.replace(/(\.[A-Za-z]+)?\.mzp$/, "") + ".png";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      save.disabled = false;
    },
    error: ({ message: words }) => {
      [canvas.width, canvas.height] = [0, 0]; // What was shown may be a part of a damaged picture.
      say("failed", `${name}: ${words}`);
    },
  };

  async function open(file) {
    worker?.terminate(); // Whatever it does, another file is wanted now.
    worker = new Worker(import.meta.url, { type: "module" });
    worker.onmessage = ({ data }) => answers[data.kind](data);
    worker.onerror = () => say("failed", "The decoder does not start: this browser may be too old.");
    [canvas.width, canvas.height, bar.value, save.disabled, name] = [0, 0, 0, true, file.name];
    say("busy", `${name} ...`);
    const bytes = new Uint8Array(await file.arrayBuffer());
    worker.postMessage({ kind: "open", file: bytes }, [bytes.buffer]);
  }

  input.onchange = () => input.files.length && open(input.files[0]);
  save.onclick = () => {
    save.disabled = true;
    worker.postMessage({ kind: "save" });
  };
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
  };
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) runWorker();
else if (typeof document !== "undefined") runPage();
