import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import type net from "node:net";
import { parseBody } from "../bosh/bosh-body.js";
import type { Certificate } from "./fake-server.js";
import { until } from "./until.js";

/** One request as the connection manager sees it. */
export interface FakeBoshRequest {
  readonly rid: number;
  readonly attrs: Readonly<Record<string, string | undefined>>;
  readonly content: string;
  /** The body as received, byte by byte. */
  readonly body: string;
  readonly head: http.IncomingHttpHeaders;
  readonly rawHead: readonly string[];
  readonly response: http.ServerResponse;
  /** Answers with a body of these attributes (text) and content. */
  answer(content?: string, attrs?: string): void;
}

export interface FakeBosh {
  readonly url: URL;
  readonly requests: FakeBoshRequest[];
  readonly sockets: Set<net.Socket>;
  /** Resolves with the request of this number, counted from 0, when it has arrived. */
  request(index: number): Promise<FakeBoshRequest>;
  close(): Promise<void>;
}

export const SESSION = "sid='s' wait='30' hold='1' requests='2' inactivity='30' polling='5'";

/** Starts a connection manager on loopback. `onRequest` or the test answers the requests. */
export async function startFakeBosh(
  onRequest: (request: FakeBoshRequest, index: number) => unknown = () => undefined,
  certificate?: Certificate,
): Promise<FakeBosh> {
  const requests: FakeBoshRequest[] = [];
  const sockets = new Set<net.Socket>();
  const listener: http.RequestListener = (inbound, response) => {
    let body = "";
    inbound.setEncoding("utf8").on("data", (text: string) => (body += text));
    inbound.on("end", () => {
      const { attrs, content } = parseBody(body);
      const request: FakeBoshRequest = {
        rid: Number(attrs["rid"]),
        attrs,
        content,
        body,
        head: inbound.headers,
        rawHead: inbound.rawHeaders,
        response,
        answer(answer = "", more = "") {
          response.end(
            `<body xmlns='http://jabber.org/protocol/httpbind' xmlns:stream='http://etherx.jabber.org/streams' ${more}>${answer}</body>`,
          );
        },
      };
      requests.push(request);
      onRequest(request, requests.length - 1);
    });
  };
  const server =
    certificate === undefined ? http.createServer(listener) : https.createServer(certificate, listener);
  server.on(certificate === undefined ? "connection" : "secureConnection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    url: new URL(`${certificate === undefined ? "http" : "https"}://127.0.0.1:${String(port)}/http-bind`),
    requests,
    sockets,
    async request(index) {
      await until(() => requests.length > index);
      return requests[index] as FakeBoshRequest;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
