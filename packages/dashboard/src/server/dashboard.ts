import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { StanzapackError } from "@stanzapack/wire";
import type { Comparison } from "../model/comparison.js";
import type { DashboardSettings } from "../model/settings.js";
import { Access, checkToken } from "./access.js";
import { securityHeaders } from "./headers.js";
import { loadPageFiles, type PageFile } from "./page-files.js";

/** Most connections at once. A browser uses six. */
const MAX_CONNECTIONS = 64;
/** Longest time until a request has arrived completely, in ms. */
const REQUEST_MS = 5_000;
const LOOPBACK = "127.0.0.1";
const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

export interface DashboardOptions {
  /** Address to listen at. Default `127.0.0.1`. Any other than loopback needs a token. */
  readonly host?: string | undefined;
  /** Port to listen at. Default 0: any free port. */
  readonly port?: number | undefined;
  /** What a browser must give once, as `/?token=…`. At least 16 characters. Default: none. */
  readonly token?: string | undefined;
  readonly settings: DashboardSettings;
  /** Returns the bytes of the same values in several forms, which the page then shows. Default: it shows none. */
  readonly comparison?: (() => Comparison) | undefined;
}

export interface Dashboard {
  /** The address of the page, without the token: `http://127.0.0.1:40123/`. */
  readonly url: string;
  /** Closes the server and its connections. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Serves the dashboard's page over HTTP. Resolves when the server listens. Throws `invalid-options` if strangers could
 * read the page, `unsupported` if the page is not built, and `unreachable` if the server cannot listen.
 */
export async function createDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { host = LOOPBACK, token } = options;
  checkToken(host, token);
  return serveFiles(options, await loadPageFiles());
}

/** Serves these files as the page. Exported for its test, which needs no build. */
export async function serveFiles(
  { host = LOOPBACK, port = 0, token, settings, comparison }: DashboardOptions,
  files: ReadonlyMap<string, PageFile>,
): Promise<Dashboard> {
  const access = new Access(token);
  const told = JSON.stringify({ ...settings, hasComparison: comparison !== undefined });
  const common = securityHeaders(settings, files.get("/")?.content.toString() ?? "");
  const server = createServer(
    { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS },
    (request, response) => {
      request.resume();
      for (const [name, value] of Object.entries(common)) response.setHeader(name, value);
      try {
        if (mayAnswer(request, response, access)) answer(request, response);
      } catch {
        end(response, 400, "this request cannot be answered\n");
      }
    },
  );
  server.maxConnections = MAX_CONNECTIONS;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "/").split("?", 1)[0] as string;
    if (path === "/settings.json") return end(response, 200, told, { "content-type": JSON_TYPE });
    if (path === "/comparison.json" && comparison !== undefined)
      return end(response, 200, JSON.stringify(comparison()), { "content-type": JSON_TYPE });
    const file = files.get(path);
    if (file === undefined) return end(response, 404, "there is no such file\n");
    sendFile(request, response, file);
  }

  await listen(server, host, port);
  let stopped: Promise<void> | undefined;
  return {
    url: urlOf(server, host),
    stop: () =>
      (stopped ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      })),
  };
}

/** Answers a request that may not see the page. Returns whether it may. */
function mayAnswer(request: IncomingMessage, response: ServerResponse, access: Access): boolean {
  if (request.method !== "GET" && request.method !== "HEAD") {
    end(response, 405, "only GET and HEAD\n", { allow: "GET, HEAD" });
    return false;
  }
  const verdict = access.check(request);
  switch (verdict.is) {
    case "allowed":
      return true;
    case "token-given":
      end(response, 303, "", { location: "/", "set-cookie": verdict.cookie });
      return false;
    case "wrong-host":
      end(response, 421, "this page is served to this machine only, as localhost or 127.0.0.1\n");
      return false;
    case "no-token":
      end(response, 401, "open this address with the token of `dashboard.tokenFile`: /?token=…\n");
      return false;
  }
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: PageFile): void {
  // A browser keeps the files, and asks each time whether they are still right.
  const headers = {
    "content-type": file.type,
    "cache-control": "no-cache",
    etag: file.etag,
    vary: "accept-encoding",
  };
  if (request.headers["if-none-match"] === file.etag) return end(response, 304, "", headers);
  if (!/\bgzip\b/.test(String(request.headers["accept-encoding"])))
    return end(response, 200, file.content, headers);
  end(response, 200, file.gzipped, { ...headers, "content-encoding": "gzip" });
}

function end(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": TEXT, "cache-control": "no-store", ...headers });
  response.end(body);
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new StanzapackError(
          "unreachable",
          `the dashboard cannot be served at ${host}:${port}: ${cause.message}`,
          {
            ...{ cause, scope: "link" },
            mend: "Choose another `dashboard.port`, or stop the program that has this port.",
          },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  // A connection that cannot be accepted is the browser's loss alone.
  server.on("error", () => undefined);
}

function urlOf(server: Server, host: string): string {
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}/`;
}
