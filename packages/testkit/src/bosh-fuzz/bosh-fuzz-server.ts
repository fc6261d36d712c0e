import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** One open request, as the connection manager sees it. */
export interface FuzzRequest {
  readonly rid: number;
  readonly body: string;
  response: ServerResponse;
}

/** Status and bytes of an answer, or the cut in place of it. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly cut: boolean;
}

/**
 * A connection manager on loopback. It holds each request until the fuzzer gives its answer, and checks the rules of
 * XEP-0124 for clients.
 */
export interface FuzzServer {
  readonly url: string;
  /** Requests without an answer, oldest first. */
  readonly waiting: readonly FuzzRequest[];
  /** Number of requests that clients sent again. */
  readonly resentCount: number;
  /** Rules that clients broke. The reader empties the list. */
  readonly complaints: string[];
  /** Content of the session's requests, in order, each once. */
  readonly heard: string;
  /** Most requests that may be open at once. */
  window: number;
  /** Begins a new client's session, and forgets the session before. */
  reset(): void;
  /** A `final` answer counts for its request. After another answer, the client must send the request again. */
  answer(request: FuzzRequest, answer: Answer, final: boolean): void;
  /**
   * Answers all open requests, and all requests until `reset`, with nothing. For a client that sends its last stanzas.
   */
  dismiss(): void;
  close(): Promise<void>;
}

const NOTHING: Answer = {
  status: 200,
  body: Buffer.from("<body xmlns='http://jabber.org/protocol/httpbind'/>"),
  cut: false,
};

export async function startFuzzServer(): Promise<FuzzServer> {
  const sockets = new Set<Socket>();
  const waiting: FuzzRequest[] = [];
  const complaints: string[] = [];
  /** For this session: the bytes of each request, and its answer if it has one. */
  const known = new Map<number, { readonly body: string; answer: Answer | undefined }>();
  let last: number | undefined;
  let heard = "";
  let resentCount = 0;
  let dismissing = false;

  const give = (response: ServerResponse, { status, body, cut }: Answer): void => {
    if (cut) response.socket?.destroy();
    else response.writeHead(status, { "Content-Type": "text/xml; charset=utf-8" }).end(body);
  };

  const onRequest = (body: string, response: ServerResponse): void => {
    const rid = Number(/ rid='(\d+)'/.exec(body)?.[1] ?? Number.NaN);
    const old = known.get(rid);
    if (old !== undefined) {
      resentCount++;
      // XEP-0124 §14.3: a request that is sent again has the same bytes.
      if (old.body !== body)
        complaints.push(`request ${rid} was sent again with other bytes: ${body.slice(0, 200)}`);
      const held = waiting.find((request) => request.rid === rid);
      if (old.answer !== undefined) give(response, old.answer);
      else if (held !== undefined) held.response = response;
      return;
    }
    if (!Number.isSafeInteger(rid) || (last !== undefined && rid !== last + 1))
      complaints.push(`request ${rid} follows ${last}`);
    last = rid;
    known.set(rid, { body, answer: undefined });
    known.delete(rid - 100);
    if (dismissing) return give(response, NOTHING);
    waiting.push({ rid, body, response });
    heard += /^<body[^>]*>(.*)<\/body>$/s.exec(body)?.[1] ?? "";
    const most = server.window + (/ type='terminate'/.test(body) ? 1 : 0);
    if (waiting.length > most) complaints.push(`${waiting.length} requests are open, the limit is ${most}`);
  };

  const http = createServer((inbound, response) => {
    let body = "";
    inbound.setEncoding("utf8").on("data", (text: string) => (body += text));
    inbound.on("end", () => {
      onRequest(body, response);
    });
    inbound.on("error", () => undefined);
  });
  http.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const server: FuzzServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/http-bind`,
    waiting,
    complaints,
    window: 1,
    get resentCount() {
      return resentCount;
    },
    get heard() {
      return heard;
    },
    reset() {
      for (const socket of sockets) socket.destroy();
      waiting.length = 0;
      known.clear();
      last = undefined;
      dismissing = false;
      heard = "";
      server.window = 1;
    },
    answer(request, answer, final) {
      const entry = known.get(request.rid);
      if (final) {
        waiting.splice(waiting.indexOf(request), 1);
        if (entry !== undefined) entry.answer = answer;
      }
      give(request.response, answer);
    },
    dismiss() {
      dismissing = true;
      for (const request of [...waiting]) server.answer(request, NOTHING, true);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      http.close();
      await once(http, "close");
    },
  };
  return server;
}
