import { startTcpProxy, type TcpProxy } from "@stanzapack/testkit";
import type { TransportKind } from "@stanzapack/xmpp";
import { onTestFinished } from "vitest";
import { accountOf } from "./accounts.js";
import type { Stack } from "./stack.js";

export const TRANSPORTS = ["tcp", "websocket", "bosh"] as const satisfies readonly TransportKind[];

/** URL of a transport's server. */
export function urlOf({ sandbox }: Stack, transport: TransportKind): string {
  return { tcp: sandbox.url, websocket: sandbox.websocketUrl, bosh: sandbox.boshUrl }[transport];
}

/** A client's options for the login. */
export function loginOf(
  { sandbox }: Stack,
  user: string,
): { readonly jid: string; readonly password: string; readonly ca: string } {
  return { ...accountOf(sandbox, user), ca: sandbox.ca };
}

/** A faulty network between a client and each transport of its server. It is closed with the test. */
export interface TransportProxies {
  readonly urls: readonly string[];
  readonly all: readonly TcpProxy[];
  of(transport: TransportKind): TcpProxy;
  /** Blocks these transports, and opens all others. */
  block(which: readonly TransportKind[], how: "refuse" | "stall"): void;
}

export async function startTransportProxies(stack: Stack): Promise<TransportProxies> {
  const proxies = new Map<TransportKind, TcpProxy>();
  const urls: string[] = [];
  for (const transport of TRANSPORTS) {
    const url = new URL(urlOf(stack, transport));
    const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    onTestFinished(() => proxy.close());
    proxies.set(transport, proxy);
    url.port = String(proxy.port);
    urls.push(url.href);
  }
  return {
    urls,
    all: [...proxies.values()],
    of: (transport) => proxies.get(transport) as TcpProxy,
    block(which, how) {
      for (const [transport, proxy] of proxies) proxy[how] = which.includes(transport);
    },
  };
}
