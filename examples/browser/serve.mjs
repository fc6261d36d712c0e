// Serves this folder, the client's browser build and the dashboard's charts on 127.0.0.1. With the output of `stanzapack sandbox` on standard
// input, it prints addresses that fill the form.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = (path) => new URL(path, import.meta.url);

const TYPES = { html: "text/html", css: "text/css", js: "text/javascript" };

/** Files that are served, by their paths: the page, the browser build, and the dashboard's charts with their library. */
const FILES = [
  { path: /^\/(index\.html|page\.css|page\.js)$/, folder: "./" },
  { path: /^\/(stanzapack[\w.-]*\.js)$/, folder: "../../packages/client/dist/web/" },
  { path: /^\/dashboard\/((?:page|model)\/[\w-]+\.js)$/, folder: "../../packages/dashboard/dist/" },
  { path: /^\/dashboard\/(parts\.css)$/, folder: "../../packages/dashboard/assets/" },
  { path: /^\/(uPlot\.(?:esm\.js|min\.css))$/, folder: "../../node_modules/uplot/dist/" },
];

/** @returns {string | undefined} The file, relative to this one. */
function find(pathname) {
  for (const { path, folder } of FILES) {
    const [, name] = path.exec(pathname === "/" ? "/index.html" : pathname) ?? [];
    if (name !== undefined) return folder + name;
  }
  return undefined;
}

/** @returns {Promise<{ url: string, close: () => void }>} */
export async function servePage(port = 0) {
  const server = createServer(async (request, response) => {
    const [pathname] = request.url.split("?");
    const file = find(pathname);
    if (file === undefined) return void response.writeHead(404).end();
    const type = `${TYPES[file.split(".").at(-1)]}; charset=utf-8`;
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
  await readFile(here(find("/stanzapack.js"))).catch(() => {
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
