#!/usr/bin/env node
// Bundles the client for browsers, into packages/client/dist/web/, from what `tsc -b` wrote, and says how large it is:
// stanzapack.js with the parts that it fetches when they are needed, stanzapack.all.js, which is one file, and stanzapack.store.js. Fails when
// they are larger than they may be, or need what only Node has.
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

/** In bytes after gzip, each what was reached when it was last set, and 5 %. */
const MAX_GZIPPED_BYTES = {
  /** What every page loads, for WebSocket, SCRAM, offers and subscriptions. */
  entry: 97_700,
  /** With everything that it may fetch later. */
  parts: 103_000,
  /** The one file. */
  all: 102_500,
  /** The store of outboxes, with its database: for those who want it. */
  store: 29_300,
};

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(ROOT, "packages/client/dist/web");
/** What it was made from, and what was said of it. */
const STAMP = join(ROOT, "node_modules/.cache/stanzapack/web.json");
const ENTRY = "stanzapack.js";
const ALL = "stanzapack.all.js";
const STORE = "stanzapack.store.js";

/** A copy of Node's emitter, which xmpp.js brings, is left out for the one that the client has anyway; ltx has ES modules too. */
const ALIASES = { events: "eventemitter3", "ltx/lib": "ltx/src" };

const COMMONJS_END = /if \('undefined' !== typeof module\) \{[^}]*\}\s*$/;

const SMALLER = {
  name: "smaller",
  load(id) {
    // xmpp.js's own parser, for which ours stands in, hangs on the object that makes elements.
    if (/[\\/]@xmpp[\\/]xml[\\/]lib[\\/]Parser\.js$/.test(id)) return "export default undefined;";
    // The only CommonJS module left: as a module of the other kind it needs no go-between.
    if (!/[\\/]eventemitter3[\\/]index\.js$/.test(id)) return null;
    const code = readFileSync(id, "utf8");
    if (!COMMONJS_END.test(code)) throw new Error(`${id} does not end as it used to`);
    return code.replace(COMMONJS_END, "export default EventEmitter;");
  },
};

/** What only Node has and no `import` tells of. */
const NODE_ONLY = /(?<![.\w$])(?:Buffer|process|require|__dirname)(?=[.(])/g;

/**
 * Builds it anew where anything that it is made from has changed. It takes the place of the one before at once: somebody may be
 * serving that, or building too.
 *
 * @returns {Promise<{ files: { file: string, bytes: number, gzippedBytes: number }[], problem: string }>}
 */
export async function buildWeb() {
  const inputs = hashInputs();
  const known = existsSync(STAMP) ? JSON.parse(readFileSync(STAMP, "utf8")) : undefined;
  if (known?.inputs === inputs && known.files.every(({ file }) => existsSync(file)))
    return { files: known.files, problem: known.problem };
  const made = await bundleAll();
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(`${STAMP}.${process.pid}`, JSON.stringify({ inputs, ...made }));
  renameSync(`${STAMP}.${process.pid}`, STAMP);
  return made;
}

function hashInputs() {
  // A copy of this folder has a build of its own to make.
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
    // Its database brings emitter and Buffer of its own.
    ...(await bundle(STORE, "store/index.js", { codeSplitting: false, alias: {}, plugins: [] })),
  ];
  // Not beside it: what a killed build leaves would be packed.
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
      problems.push(`${name}: ${sizes[name]} bytes gzipped are more than the ${most} of MAX_GZIPPED_BYTES`);
    }
  }
  return { files, problem: problems.join("\n") };
}

/** Others that build at this moment put theirs in place once each. */
const MAX_TRIES = 10;

/** Another one may do the same at this moment: then either stays. */
function putInPlace(folder) {
  const old = `${folder}.old`;
  for (let tries = 1; ; tries++) {
    try {
      if (existsSync(FOLDER)) renameSync(FOLDER, old);
      renameSync(folder, FOLDER);
      break;
    } catch (error) {
      // Moved away, or put there, by the other one meanwhile.
      if (tries === MAX_TRIES || (error.code !== "ENOENT" && error.code !== "ENOTEMPTY")) throw error;
    }
    rmSync(old, { recursive: true, force: true });
  }
  rmSync(old, { recursive: true, force: true });
}

/** The entry comes first. What parts share with it stays in it, so that a page begins with one file. */
async function bundle(name, file, { codeSplitting, alias, plugins }) {
  const build = await rolldown({
    cwd: ROOT,
    input: { [name.slice(0, -".js".length)]: `packages/client/dist/${file}` },
    platform: "browser",
    // Of 2023, as `AbortSignal.any` in the sources is.
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
    // Parts fit the entry they were made with, and caches must not bring others.
    chunkFileNames: "stanzapack-[name]-[hash].js",
  });
  await build.close();
  return output;
}

/** 4 % smaller than what the bundler's own minifier makes. */
async function shrink(code) {
  const result = await minify(code, {
    module: true,
    ecma: 2020,
    // Nothing here is called with `new` that is not a class or named in capitals.
    compress: { passes: 2, unsafe_arrows: true, unsafe_methods: true },
    format: { preamble: "/*! Stanzapack, MIT. It contains others' work: see LICENSES.txt */" },
  });
  return result.code ?? "";
}

/** The licenses of the packages that these modules are of. */
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
