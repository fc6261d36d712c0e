import { resolveSrv } from "node:dns/promises";
import type { SrvRecord } from "node:dns";

/** Where to connect to, and whether TLS is spoken from the first byte (XEP-0368). */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly directTls: boolean;
}

const PORTS: Readonly<Record<string, number>> = { "xmpp:": 5222, "xmpps:": 5223 };

/** `xmpp://host:port` or `xmpps://host:port`; the port may be left out. */
export function parseServiceUrl(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const port = url && PORTS[url.protocol];
  if (url === undefined || port === undefined || url.hostname === "") {
    throw new TypeError(
      `not a service address: ${JSON.stringify(text)} (xmpp://host:port or xmpps://host:port)`,
    );
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? port : Number(url.port),
    directTls: url.protocol === "xmpps:",
  };
}

/** The addresses of a domain's servers in the order to try them (RFC 6120 §3.2, XEP-0368 §2); at least one. */
export async function resolveDomain(domain: string, random: () => number = Math.random): Promise<Target[]> {
  const [direct, startTls] = await Promise.all([
    lookup("_xmpps-client", domain),
    lookup("_xmpp-client", domain),
  ]);
  const records = [
    ...direct.map((record) => ({ ...record, directTls: true })),
    ...startTls.map((record) => ({ ...record, directTls: false })),
  ].filter(({ name }) => name !== "" && name !== ".");
  if (records.length === 0) return [{ host: domain, port: 5222, directTls: false }];
  return orderRecords(records, random).map(({ name, port, directTls }) => ({ host: name, port, directTls }));
}

async function lookup(service: string, domain: string): Promise<SrvRecord[]> {
  // Without an answer of any kind the domain's own address is left (RFC 6120 §3.2.2).
  return resolveSrv(`${service}._tcp.${domain}`).catch(() => []);
}

/** RFC 2782: by priority, and by weighted chance within one. */
function orderRecords<T extends SrvRecord>(records: readonly T[], random: () => number): T[] {
  return records
    .map((record) => ({ record, chance: random() ** (1 / Math.max(record.weight, 0.01)) }))
    .sort((a, b) => a.record.priority - b.record.priority || b.chance - a.chance)
    .map(({ record }) => record);
}
