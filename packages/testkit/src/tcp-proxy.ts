import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";

/** A TCP proxy on loopback whose connections can be cut, refused or silenced: for faults between client and server. */
export interface TcpProxy {
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
  /** Cuts every connection without a word (RST). */
  cut(): void;
  /** New connections are cut at once while true. */
  refuse: boolean;
  /** Bytes vanish both ways while true; connections stay open. */
  stall: boolean;
  close(): Promise<void>;
}

export async function startTcpProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const state = { refuse: false, stall: false };
  const server: Server = createServer((inbound) => {
    if (state.refuse) {
      inbound.resetAndDestroy();
      return;
    }
    const outbound = connect(target);
    const pair = [inbound, outbound] as const;
    pairs.add(pair);
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      from.setNoDelay(true);
      from.on("data", (chunk) => {
        if (state.stall) return;
        if (!to.write(chunk)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const cut = (): void => {
    for (const [inbound, outbound] of pairs) {
      inbound.resetAndDestroy();
      outbound.destroy();
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    cut,
    get refuse() {
      return state.refuse;
    },
    set refuse(value) {
      state.refuse = value;
    },
    get stall() {
      return state.stall;
    },
    set stall(value) {
      state.stall = value;
    },
    async close() {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
