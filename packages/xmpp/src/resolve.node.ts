import { resolveSrv } from "node:dns/promises";
import type { SrvRecord } from "node:dns";
import { toTcpService, type Service } from "./service-url.js";

/** The addresses of a domain's servers for TCP in the order to try them (RFC 6120 §3.2, XEP-0368 §2); at least one. */
export async function resolveDomain(domain: string, random: () => number = Math.random): Promise<Service[]> {
  const [direct, startTls] = await Promise.all([
    lookup("_xmpps-client", domain),
    lookup("_xmpp-client", domain),
  ]);
  const records = [
    ...direct.map((record) => ({ ...record, directTls: true })),
    ...startTls.map((record) => ({ ...record, directTls: false })),
  ].filter(({ name }) => name !== "" && name !== ".");
  if (records.length === 0) return [toTcpService(domain, 5222, false)].filter((it) => it !== undefined);
  return orderRecords(records, random)
    .map(({ name, port, directTls }) => toTcpService(name, port, directTls))
    .filter((it) => it !== undefined);
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
