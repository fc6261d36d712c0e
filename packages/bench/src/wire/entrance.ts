import type { SandboxProcess } from "../demo/sandbox-process.js";
import type { Hop } from "./axes.js";
import type { BoshProxies } from "./bosh-proxies.js";
import { createCertificate } from "./certificate.js";
import { openForwarder, type Forwarder } from "./forwarder.js";

/** How one subscriber, or all subscribers without namespaces, reach the server. */
export interface Entrance {
  urlOf(hop: Hop): string;
  /** PEM of the authorities to trust. */
  readonly ca: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens an entrance. `proxies`: in front of BOSH, if BOSH is measured. `hostAddress`: our end of a namespace's pair;
 * undefined for 127.0.0.1.
 */
export async function openEntrance(
  sandbox: SandboxProcess,
  proxies: BoshProxies | undefined,
  hostAddress: string | undefined,
): Promise<Entrance> {
  const host = hostAddress ?? "127.0.0.1";
  const forwarders: Forwarder[] = [];
  const close = async (): Promise<void> =>
    void (await Promise.all(forwarders.map((forwarder) => forwarder.close())));
  try {
    const forward = async (...args: Parameters<typeof openForwarder>): Promise<number> => {
      const forwarder = await openForwarder(...args);
      forwarders.push(forwarder);
      return forwarder.port;
    };
    const certificate = await createCertificate(host);
    const wss = await forward(host, sandbox.httpPort, certificate);
    const reach = (port: number): Promise<number> =>
      hostAddress === undefined ? Promise.resolve(port) : forward(host, port);
    // The server does STARTTLS itself, and the proxies do TLS themselves.
    const tcp = await reach(Number(new URL(sandbox.road.url).port));
    const bosh = proxies && { none: await reach(proxies.ports.none), gzip: await reach(proxies.ports.gzip) };
    return {
      urlOf({ transport, compression }) {
        switch (transport) {
          case "tcp":
            return `xmpp://${host}:${tcp}`;
          case "websocket":
            return `wss://${host}:${wss}/xmpp-websocket`;
          case "bosh":
            if (bosh === undefined) throw new Error("this entrance has no BOSH");
            return `https://${host}:${compression === "gzip" ? bosh.gzip : bosh.none}/http-bind`;
        }
      },
      ca: [sandbox.road.ca, certificate.cert, proxies?.ca ?? ""].join("\n"),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
