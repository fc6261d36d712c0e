import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { StanzaSplitter } from "./stanza-splitter.js";

export type StanzaDirection = "toServer" | "toClient";

/**
 * Returns the stanzas that replace one stanza, in order: none, the stanza itself, or others. Undefined: the stanza
 * passes unchanged.
 */
export type StanzaFilter = (stanza: string, direction: StanzaDirection) => readonly string[] | undefined;

/** A proxy on loopback for streams of plain XML, as components have. It finds the end of each stanza. */
export interface StanzaProxy {
  readonly port: number;
  filter: StanzaFilter | undefined;
  /** Cuts every connection, and stops listening. */
  close(): Promise<void>;
}

export async function startStanzaProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<StanzaProxy> {
  const sockets = new Set<Socket>();

  const pump = (from: Socket, to: Socket, direction: StanzaDirection): void => {
    const splitter = new StanzaSplitter();
    from.setEncoding("utf8");
    from.on("data", (text) => {
      let out = "";
      for (const piece of splitter.push(String(text)))
        out += piece.isStanza ? (proxy.filter?.(piece.text, direction)?.join("") ?? piece.text) : piece.text;
      if (out !== "") to.write(out);
    });
    from.on("end", () => to.end());
    from.on("error", () => undefined);
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
    sockets.add(from);
  };

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    pump(client, server, "toServer");
    pump(server, client, "toClient");
  });
  const proxy: StanzaProxy = {
    get port() {
      return (listener.address() as AddressInfo).port;
    },
    filter: undefined,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", resolve);
  });
  return proxy;
}
