// Serves this folder and the client's browser build on 127.0.0.1. With the output of `stanzapack sandbox` on standard
// input, it prints addresses that fill the form.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = (path) => new URL(path, import.meta.url);

/** Files that are served, besides the browser build. */
const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page.css": ["page.css", "text/css; charset=utf-8"],
  "/page.js": ["page.js", "text/javascript; charset=utf-8"],
  "/sparkline.js": ["sparkline.js", "text/javascript; charset=utf-8"],
};

/** The browser build: the file that the page imports, and its parts. */
const WEB = "../../packages/client/dist/web";
const WEB_FILE = /^\/stanzapack[\w.-]*\.js$/;

const find = (pathname) =>
  WEB_FILE.test(pathname) ? [WEB + pathname, "text/javascript; charset=utf-8"] : FILES[pathname];

/** @returns {Promise<{ url: string, close: () => void }>} */
export async function servePage(port = 0) {
  const server = createServer(async (request, response) => {
    const [pathname] = request.url.split("?");
    if (!Object.hasOwn(FILES, pathname) && !WEB_FILE.test(pathname))
      return void response.writeHead(404).end();
    const [file, type] = find(pathname);
    try {
      const content = await readFile(here(file));
      response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(content);
    } catch {
      response.writeHead(500).end(`${file} is missing: npm run build:web\n`);
    }
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

if (process.argv[1] !== undefined && pathToFileURL(process.argv[1]).href === import.meta.url) {
  await readFile(here(`${WEB}/stanzapack.js`)).catch(() => {
    process.stderr.write(`${fileURLToPath(here("../.."))} has no browser build yet: npm run build:web\n`);
    process.exit(1);
  });
  const { url } = await servePage(Number(process.env.PORT ?? 8080));
  process.stdout.write(`${url}\n`);
  if (!process.stdin.isTTY) {
    for await (const line of createInterface({ input: process.stdin })) {
      if (!line.startsWith("{")) continue;
      const { accounts = [], streams, websocketUrl, boshUrl } = JSON.parse(line);
      if (streams === undefined) continue;
      for (const address of [websocketUrl, boshUrl]) {
        const fields = new URLSearchParams({ ...accounts.at(-1), component: streams, url: address });
        process.stdout.write(`${url}#${fields}\n`);
      }
    }
    process.exit();
  }
}
