import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { StanzapackError } from "@stanzapack/wire";

/** A file as it is served. */
export interface PageFile {
  readonly type: string;
  readonly content: Buffer;
  readonly gzipped: Buffer;
  /** Changes with the content (RFC 9110 §8.8.3). */
  readonly etag: string;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
};

const compress = promisify(gzip);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Folders of the page, by their paths in its address, and the names that are served of them. */
const FOLDERS = [
  { path: "/", folder: here("../../assets"), names: /\.(?:html|css)$/ },
  { path: "/page/", folder: here("../../dist/page"), names: /\.js$/ },
  { path: "/model/", folder: here("../../dist/model"), names: /\.js$/ },
] as const;

/**
 * Reads all files of the page, by their paths. A path that is not in the result is not served, so no path leads out of
 * the folders. Throws `unsupported` if the page is not built.
 */
export async function loadPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>();
  for (const { path, folder, names } of [...FOLDERS, ...libraries()]) {
    const found = (await readdir(folder).catch(() => [])).filter((name) => names.test(name));
    if (found.length === 0)
      throw new StanzapackError("unsupported", `the dashboard's page is not built: ${folder} has no files`, {
        mend: "Run `npm run build:web` in the clone.",
      });
    for (const name of found) files.set(path + name, await load(join(folder, name)));
  }
  const index = files.get("/index.html");
  if (index !== undefined) files.set("/", index);
  return files;
}

/** The browser build of the client, which loads its parts when they are needed, and the chart library. */
function libraries(): { path: string; folder: string; names: RegExp }[] {
  const require = createRequire(import.meta.url);
  const client = dirname(require.resolve("@stanzapack/client"));
  const uplot = dirname(require.resolve("uplot"));
  return [
    { path: "/lib/", folder: join(client, "web"), names: /^stanzapack(?:-[\w-]+)?\.js$/ },
    { path: "/lib/", folder: uplot, names: /^uPlot\.(?:esm\.js|min\.css)$/ },
  ];
}

async function load(file: string): Promise<PageFile> {
  const content = await readFile(file);
  return createFile(content, TYPES[extname(file)] ?? "application/octet-stream");
}

/** Makes a file that is served from its content. */
export async function createFile(content: Buffer, type: string): Promise<PageFile> {
  const hash = createHash("sha256").update(content).digest("base64url").slice(0, 22);
  return { type, content, gzipped: await compress(content), etag: `"${hash}"` };
}
