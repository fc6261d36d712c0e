#!/usr/bin/env node
// Bundles the client for browsers, into packages/client/dist/web/stanzapack.js, from what `tsc -b` wrote, and says how
// large it is. Fails when it is larger than it may be, or needs what only Node has.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

/** Most that a page may have to load, in bytes after gzip: what was reached when it was last set, and 5 %. */
const MAX_GZIPPED_BYTES = 51_300;

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FILE = "packages/client/dist/web/stanzapack.js";

/** A copy of Node's emitter, which xmpp.js brings, is left out for the one that the client has anyway. */
const ALIASES = { events: "eventemitter3" };

/** xmpp.js's own parser, for which ours stands in, hangs on the object that makes elements. */
const WITHOUT_PARSER = {
  name: "without-parser",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]@xmpp[\\/]xml[\\/]lib[\\/]Parser\.js$/ }, () => ({
      contents: "export default undefined;",
    }));
  },
};

/** What only Node has and no `import` tells of. */
const NODE_ONLY = /(?<![.\w$])(?:Buffer|process|require|__dirname)(?=[.(])/g;

/** @returns {Promise<{ file: string, bytes: number, gzippedBytes: number, problem: string }>} */
export async function buildWeb() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["packages/client/dist/index.js"],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    // Of 2023, as `AbortSignal.any` in the sources is.
    target: "es2023",
    charset: "utf8",
    minify: true,
    legalComments: "none",
    alias: ALIASES,
    plugins: [WITHOUT_PARSER],
    metafile: true,
    logLevel: "silent",
  });
  // 5 % smaller than what esbuild alone makes.
  const { code = "" } = await minify(outputFiles[0].text, {
    module: true,
    ecma: 2020,
    compress: { passes: 3 },
    format: { preamble: "/*! Stanzapack, MIT. It contains others' work: see LICENSES.txt */" },
  });
  const bytes = Buffer.from(code);
  const gzippedBytes = gzipSync(bytes, { level: 9 }).length;
  const file = join(ROOT, FILE);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  writeFileSync(join(dirname(file), "LICENSES.txt"), licensesOf(Object.keys(metafile.inputs)));

  const strangers = new Set(code.match(NODE_ONLY));
  const problem =
    strangers.size > 0
      ? `it uses what only Node has: ${[...strangers].join(", ")}`
      : gzippedBytes > MAX_GZIPPED_BYTES
        ? `${gzippedBytes} bytes gzipped are more than the ${MAX_GZIPPED_BYTES} it may have (MAX_GZIPPED_BYTES in scripts/build-web.mjs)`
        : "";
  return { file, bytes: bytes.length, gzippedBytes, problem };
}

/** The licenses of the packages that these files are of. */
function licensesOf(inputs) {
  const folders = new Set(
    inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0] ?? []),
  );
  const texts = [...folders].sort().map((folder) => {
    const path = join(ROOT, folder);
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
    const { file, bytes, gzippedBytes, problem } = await buildWeb();
    process.stdout.write(`${file}: ${bytes} bytes, ${gzippedBytes} gzipped\n`);
    if (problem !== "") throw new Error(problem);
  } catch (error) {
    process.stderr.write(`stanzapack: build-failed: ${error.message}\n`);
    process.exitCode = 1;
  }
}
