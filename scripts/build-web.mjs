#!/usr/bin/env node
// Bundles the client for browsers into packages/client/dist/web/, from the output of `tsc -b`, and reports the sizes.
// stanzapack.js loads its parts when they are needed. stanzapack.all.js is everything in one file. stanzapack.store.js
// is the store of outboxes and commands. Fails if a file is larger than its limit, or needs what only Node has.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { minify } from "terser";

/** Limits in bytes after gzip. Each is the size when the limit was last set, plus 5 %. */
const MAX_GZIPPED_BYTES = {
  /** The entry, which every page loads, for WebSocket, SCRAM, offers and subscriptions. */
  entry: 114_200,
  /** The entry with all parts that it may load later: for BOSH, outboxes and commands. */
  parts: 125_800,
  /** The one file. */
  all: 128_700,
  /** The store of outboxes and commands, with its database. Only pages that use a store load it. */
  store: 29_300,
};

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(ROOT, "packages/client/dist/web");
/** Hash of the inputs of the last build, and its result. */
const STAMP = join(ROOT, "node_modules/.cache/stanzapack/web.json");
const ENTRY = "stanzapack.js";
const ALL = "stanzapack.all.js";
const STORE = "stanzapack.store.js";

/** xmpp.js brings a copy of Node's emitter; the client's own emitter replaces it. ltx has ES modules too. */
const ALIASES = { events: "eventemitter3", "ltx/lib": "ltx/src" };

const COMMONJS_END = /if \('undefined' !== typeof module\) \{[^}]*\}\s*$/;

const SMALLER = {
  name: "smaller",
  load(id) {
    // xmpp.js's own parser belongs to the object that makes elements. Our parser replaces it.
    if (/[\\/]@xmpp[\\/]xml[\\/]lib[\\/]Parser\.js$/.test(id)) return "export default undefined;";
    // The only CommonJS module that is left. As an ES module it needs no wrapper.
    if (!/[\\/]eventemitter3[\\/]index\.js$/.test(id)) return null;
    const code = readFileSync(id, "utf8");
    if (!COMMONJS_END.test(code)) throw new Error(`${id} does not end as this script expects`);
    return code.replace(COMMONJS_END, "export default EventEmitter;");
  },
};

/** Names that only Node has, and that no `import` shows. */
const NODE_ONLY = /(?<![.\w$])(?:Buffer|process|require|__dirname)(?=[.(])/g;

/**
 * Builds the bundles if one of their inputs has changed. The new build replaces the old one at once, since another
 * process may be serving the old one, or building too.
 *
 * @returns {Promise<{ files: { file: string, bytes: number, gzippedBytes: number }[], problem: string }>}
 */
export async function buildWeb() {
  const inputs = hashInputs();
  const known = findWeb(inputs);
  if (known !== undefined) return known;
  const made = await bundleAll();
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(`${STAMP}.${process.pid}`, JSON.stringify({ inputs, ...made }));
  renameSync(`${STAMP}.${process.pid}`, STAMP);
  return made;
}

/** Returns the result of the last build if it is of these inputs and still there. */
export function findWeb(inputs = hashInputs()) {
  const known = existsSync(STAMP) ? JSON.parse(readFileSync(STAMP, "utf8")) : undefined;
  if (known?.inputs !== inputs || !known.files.every(({ file }) => existsSync(file))) return undefined;
  return { files: known.files, problem: known.problem };
}

function hashInputs() {
  // The path is hashed too, so that a copy of this folder makes its own build.
  const hash = createHash("sha256").update(ROOT);
  for (const file of ["package-lock.json", "scripts/build-web.mjs"])
    hash.update(readFileSync(join(ROOT, file)));
  for (const name of ["client", "wire", "xmpp"]) {
    const folder = join(ROOT, "packages", name, "dist");
    for (const file of readdirSync(folder, { recursive: true }).sort())
      if (file.endsWith(".js") && !file.startsWith("web"))
        hash.update(file).update(readFileSync(join(folder, file)));
  }
  return hash.digest("hex");
}

async function bundleAll() {
  const chunks = [
    ...(await bundle(ENTRY, "index.js", { codeSplitting: true, alias: ALIASES, plugins: [SMALLER] })),
    ...(await bundle(ALL, "index.js", { codeSplitting: false, alias: ALIASES, plugins: [SMALLER] })),
    // The database of the store brings its own emitter and Buffer.
    ...(await bundle(STORE, "store/index.js", { codeSplitting: false, alias: {}, plugins: [] })),
  ];
  // Not in the package's folder: a killed build may leave files, which would be packed.
  const folder = join(dirname(STAMP), `web-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const names = new Set(chunks.map(({ fileName }) => fileName));
  const problems = [];
  const files = [];
  for (const { fileName, code, imports, dynamicImports } of chunks) {
    const small = await shrink(code);
    const strangers = new Set(small.match(NODE_ONLY));
    if (fileName === STORE) strangers.delete("Buffer");
    for (const name of [...imports, ...dynamicImports]) if (!names.has(name)) strangers.add(name);
    if (strangers.size > 0)
      problems.push(`${fileName} uses what browsers lack: ${[...strangers].join(", ")}`);
    const bytes = Buffer.from(small);
    writeFileSync(join(folder, fileName), bytes);
    files.push({
      file: join(FOLDER, fileName),
      bytes: bytes.length,
      gzippedBytes: gzipSync(bytes, { level: 9 }).length,
    });
  }
  writeFileSync(join(folder, "LICENSES.txt"), licensesOf(chunks.flatMap(({ moduleIds }) => moduleIds)));
  putInPlace(folder);

  const sizeOf = (wanted) =>
    files.reduce(
      (sum, { file, gzippedBytes }) => sum + (wanted(relative(FOLDER, file)) ? gzippedBytes : 0),
      0,
    );
  const sizes = {
    entry: sizeOf((name) => name === ENTRY),
    parts: sizeOf((name) => name !== ALL && name !== STORE),
    all: sizeOf((name) => name === ALL),
    store: sizeOf((name) => name === STORE),
  };
  for (const [name, most] of Object.entries(MAX_GZIPPED_BYTES)) {
    if (sizes[name] > most) {
      problems.push(`${name} has ${sizes[name]} bytes gzipped, MAX_GZIPPED_BYTES allows ${most}`);
    }
  }
  return { files, problem: problems.join("\n") };
}

/** Most tries. Other processes that build at the same time each put their build in place once. */
const MAX_TRIES = 10;

/** Another process may do the same at this moment. Either build may stay. */
function putInPlace(folder) {
  const old = `${folder}.old`;
  for (let tries = 1; ; tries++) {
    try {
      if (existsSync(FOLDER)) renameSync(FOLDER, old);
      renameSync(folder, FOLDER);
      break;
    } catch (error) {
      // The other process has moved the folder away, or put its own there.
      if (tries === MAX_TRIES || (error.code !== "ENOENT" && error.code !== "ENOTEMPTY")) throw error;
    }
    rmSync(old, { recursive: true, force: true });
  }
  rmSync(old, { recursive: true, force: true });
}

/**
 * The entry comes first. Code that parts share with the entry stays in the entry, so that a page begins with one file.
 */
async function bundle(name, file, { codeSplitting, alias, plugins }) {
  const build = await rolldown({
    cwd: ROOT,
    input: { [name.slice(0, -".js".length)]: `packages/client/dist/${file}` },
    platform: "browser",
    // The year of `AbortSignal.any`, which the sources use.
    transform: { target: "es2023" },
    resolve: { alias },
    preserveEntrySignatures: "allow-extension",
    plugins,
    logLevel: "silent",
  });
  const { output } = await build.generate({
    format: "esm",
    codeSplitting,
    minify: true,
    entryFileNames: "[name].js",
    // A part fits only the entry of its build. With the hash in its name, a cache cannot return another part.
    chunkFileNames: "stanzapack-[name]-[hash].js",
  });
  await build.close();
  return output;
}

/** Minifies the code. The result is 4 % smaller than that of the bundler's own minifier. */
async function shrink(code) {
  const result = await minify(code, {
    module: true,
    ecma: 2020,
    // Safe, since the code uses `new` only with classes and with names in capitals.
    compress: { passes: 2, unsafe_arrows: true, unsafe_methods: true },
    format: { preamble: "/*! Stanzapack, MIT. It contains others' work: see LICENSES.txt */" },
  });
  return result.code ?? "";
}

/** The licenses of the packages to which these modules belong. */
function licensesOf(modules) {
  const folders = new Set(
    modules.flatMap((path) => /^.*node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/.exec(path)?.[0] ?? []),
  );
  const texts = [...folders].sort().map((path) => {
    const {
      name,
      version,
      license = "",
      licenses = [],
    } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    const file = existsSync(path) && readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
    const kind = license || licenses.map(({ type }) => type).join(", ");
    return `${name} ${version} (${kind})\n\n${file ? readFileSync(join(path, file), "utf8").trim() : ""}`;
  });
  return `${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { files, problem } = await buildWeb();
    for (const { file, bytes, gzippedBytes } of files)
      process.stdout.write(`${file}: ${bytes} bytes, ${gzippedBytes} gzipped\n`);
    if (problem !== "") throw new Error(problem);
  } catch (error) {
    process.stderr.write(`stanzapack: build-failed: ${error.message}\n`);
    process.exitCode = 1;
  }
}
