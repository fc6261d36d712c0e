import type { SandboxProcess } from "../demo/sandbox-process.js";
import type { WireTransport } from "./axes.js";
import { createCertificate } from "./certificate.js";
import { openForwarder, type Forwarder } from "./forwarder.js";

/** How one subscriber, or all of those without namespaces, reach the server. */
export interface Entrance {
  readonly urls: Readonly<Record<WireTransport, string>>;
  /** PEM of the authorities to trust. */
  readonly ca: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/** `hostAddress`: our end of a namespace's pair; undefined for 127.0.0.1. */
export async function openEntrance(
  sandbox: SandboxProcess,
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
    const https = await forward(host, sandbox.httpPort, certificate);
    // STARTTLS is the server's own.
    const c2s = Number(new URL(sandbox.road.url).port);
    const tcp = hostAddress === undefined ? c2s : await forward(host, c2s);
    return {
      urls: {
        tcp: `xmpp://${host}:${tcp}`,
        websocket: `wss://${host}:${https}/xmpp-websocket`,
        bosh: `https://${host}:${https}/http-bind`,
      },
      ca: `${sandbox.road.ca}\n${certificate.cert}`,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
