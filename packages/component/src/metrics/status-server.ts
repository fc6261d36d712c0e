import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isLoopbackHost } from "@stanzapack/xmpp";
import { StanzapackError } from "@stanzapack/wire";
import type { Logger } from "pino";

/** Most connections at once. A few scrapers and health checks need one each. */
const MAX_CONNECTIONS = 64;
/** Longest time until a request has arrived completely, in ms. */
const REQUEST_MS = 5_000;
const TEXT = "text/plain; charset=utf-8";

export interface StatusAddress {
  readonly host: string;
  readonly port: number;
}

export interface StatusPages {
  /** The text of all metrics, and its content type. */
  readonly metrics: () => Promise<{ readonly text: string; readonly contentType: string }>;
  /** Why the component is not ready to serve. Empty: it is ready. */
  readonly problems: () => readonly string[];
}

/**
 * A small HTTP server for monitors: `/metrics` for Prometheus, `/health` (200 while the process answers) and `/ready`
 * (200, or 503 with one reason a line). It answers GET and HEAD, needs no password, and shows no name of a user.
 */
export class StatusServer {
  private server: Server | undefined;
  /** The scrape under way. Requests that arrive before its end share it. */
  private scrape: Promise<{ readonly text: string; readonly contentType: string }> | undefined;

  constructor(
    private readonly address: StatusAddress,
    private readonly pages: StatusPages,
    private readonly log: Logger,
  ) {}

  /** Resolves when the server listens. Rejects with `unreachable` if it cannot listen. Later calls do nothing. */
  async start(): Promise<void> {
    if (this.server !== undefined) return;
    const { host, port } = this.address;
    const server = createServer(
      { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS },
      (request, response) => {
        void this.answer(request, response);
      },
    );
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) =>
        reject(
          new StanzapackError(
            "unreachable",
            `metrics cannot be served at ${host}:${port}: ${cause.message}`,
            {
              ...{ cause, scope: "link" },
              mend: "Choose another `metrics.port`, or stop the program that has this port.",
            },
          ),
        ),
      );
      server.listen(port, host, resolve);
    });
    server.on("error", (error) => this.log.warn({ err: error }, "the server of the metrics has a fault"));
    this.server = server;
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${this.port}`;
    this.log.info(
      { metrics: `${url}/metrics`, health: `${url}/health`, ready: `${url}/ready` },
      "metrics are served",
    );
    if (!isLoopbackHost(host))
      this.log.warn(
        { host },
        "metrics are served to other machines, without a password: limit access by a firewall",
      );
  }

  /** The port that the server listens at. */
  get port(): number {
    const bound = this.server?.address();
    return typeof bound === "object" && bound !== null ? bound.port : this.address.port;
  }

  /** Closes the server and its connections. Idempotent. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { method, url = "/" } = request;
      request.resume();
      if (method !== "GET" && method !== "HEAD")
        return end(response, 405, "only GET and HEAD\n", { allow: "GET, HEAD" });
      await this.answerPath(url.split("?", 1)[0] as string, response);
    } catch (error) {
      this.log.error({ err: error }, "a request for metrics could not be answered");
      if (!response.headersSent) end(response, 500, "internal error, see the component's log\n");
      else response.destroy();
    }
  }

  private async answerPath(path: string, response: ServerResponse): Promise<void> {
    switch (path) {
      case "/metrics": {
        this.scrape ??= this.pages.metrics().finally(() => (this.scrape = undefined));
        const { text, contentType } = await this.scrape;
        return end(response, 200, text, { "content-type": contentType });
      }
      case "/health":
        return end(response, 200, "alive\n");
      case "/ready": {
        const problems = this.pages.problems();
        return problems.length === 0
          ? end(response, 200, "ready\n")
          : end(response, 503, `${problems.join("\n")}\n`, { "retry-after": "5" });
      }
      default:
        return end(response, 404, "there are /metrics, /health and /ready\n");
    }
  }
}

function end(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": TEXT, "cache-control": "no-store", ...headers });
  response.end(text);
}
