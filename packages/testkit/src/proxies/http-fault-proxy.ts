import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** Faults of one exchange. By default there are none. */
export interface HttpFault {
  /** Delay of the request to the server, in ms. Other requests overtake it. */
  readonly requestDelayMs?: number;
  /** Delay of the answer to the client, in ms. Other answers overtake it. */
  readonly answerDelayMs?: number;
  /**
   * `request`: the request never reaches the server, and the connection is cut. `answer`: the server has answered, and
   * the connection is cut instead of passing the answer. `answer-silently`: the same, but the connection stays open and
   * the client receives nothing.
   */
  readonly lose?: "request" | "answer" | "answer-silently";
  /** The proxy answers with this status itself, as a proxy does whose server is away. */
  readonly status?: number;
}

/** An HTTP proxy on loopback that tells requests from answers, for faults between a BOSH client and its server. */
export interface HttpFaultProxy {
  readonly port: number;
  /** Chooses the fault of each request, in the order of arrival, from 0. */
  decide: (index: number, body: string) => HttpFault;
  /** Numbers of exchanges and faults so far. */
  readonly counts: { exchanges: number; lost: number; delayed: number; overtaken: number };
  close(): Promise<void>;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function startHttpFaultProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<HttpFaultProxy> {
  const agent = new Agent({ keepAlive: true });
  const sockets = new Set<Socket>();
  const counts = { exchanges: 0, lost: 0, delayed: 0, overtaken: 0 };
  let lastAnswered = -1;

  const cut = (response: ServerResponse): void => void response.socket?.destroy();

  const onRequest = async (inbound: IncomingMessage, outbound: ServerResponse): Promise<void> => {
    const body = await readAll(inbound);
    const index = counts.exchanges++;
    const fault = proxy.decide(index, body.toString());
    if (fault.lose !== undefined) counts.lost++;
    if (fault.requestDelayMs !== undefined || fault.answerDelayMs !== undefined) counts.delayed++;
    if (fault.lose === "request") return cut(outbound);
    if (fault.status !== undefined) {
      outbound.writeHead(fault.status).end();
      return;
    }
    if (fault.requestDelayMs !== undefined) await sleep(fault.requestDelayMs);
    const answer = await forward(inbound, body, outbound);
    const text = await readAll(answer);
    if (fault.answerDelayMs !== undefined) await sleep(fault.answerDelayMs);
    if (fault.lose === "answer") return cut(outbound);
    if (fault.lose === "answer-silently") return;
    if (index < lastAnswered) counts.overtaken++;
    lastAnswered = Math.max(lastAnswered, index);
    outbound.writeHead(answer.statusCode ?? 502, answer.headers).end(text);
  };

  const forward = (
    inbound: IncomingMessage,
    body: Buffer,
    outbound: ServerResponse,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { method, url, headers } = inbound;
      const onward = request({ ...target, agent, method, path: url, headers }, resolve);
      onward.on("error", reject);
      // If the client gives up, the server's connection is closed too.
      outbound.once("close", () => onward.destroy());
      onward.end(body);
    });

  const server = createServer((inbound, outbound) => {
    onRequest(inbound, outbound).catch(() => cut(outbound));
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const proxy: HttpFaultProxy = {
    port: (server.address() as AddressInfo).port,
    decide: () => ({}),
    counts,
    async close() {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
