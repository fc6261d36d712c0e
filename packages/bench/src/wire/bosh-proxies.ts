import { startNginx, type Nginx } from "@stanzapack/sandbox";

/**
 * The proxies that users have in front of BOSH: nginx with the settings of `docker/nginx/`, TLS and HTTP/2. One of the
 * two does not compress; otherwise they are alike.
 */
export interface BoshProxies {
  /** Ports on 127.0.0.1. */
  readonly ports: { readonly none: number; readonly gzip: number };
  /** PEM of the authorities to trust. */
  readonly ca: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Opens the proxies. `upstreamPort`: the server's plain HTTP, on 127.0.0.1. */
export async function openBoshProxies(upstreamPort: number, signal: AbortSignal): Promise<BoshProxies> {
  const none = await startNginx({ upstreamPort, gzip: false, signal });
  let gzip: Nginx;
  try {
    gzip = await startNginx({ upstreamPort, signal });
  } catch (error) {
    await none.stop();
    throw error;
  }
  return {
    ports: { none: none.ports.https, gzip: gzip.ports.https },
    ca: `${none.ca}\n${gzip.ca}`,
    async close() {
      await Promise.all([none.stop(), gzip.stop()]);
    },
  };
}
