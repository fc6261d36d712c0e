import { Resolver } from "node:dns/promises";
import type { SrvRecord } from "node:dns";
import { toTcpService, type Service } from "../transports/service-url.js";

/** Longest wait for the name servers, in ms. After it the client tries the domain's own address and its host-meta. */
const ANSWER_MS = 3_000;
/** Time within `ANSWER_MS` after which a question is sent again, in ms. */
const ASK_AGAIN_MS = 1_000;

/** For tests. */
export interface ResolveOptions {
  readonly random?: () => number;
  /** Name servers to use instead of the system's. */
  readonly servers?: readonly string[];
}

/**
 * Returns the TCP addresses of a domain's servers, in the order in which to try them (RFC 6120 §3.2, XEP-0368 §2).
 * Returns none when the domain says that it has none. Rejects with the signal's reason.
 */
export async function resolveDomain(
  domain: string,
  signal: AbortSignal,
  { random = Math.random, servers }: ResolveOptions = {},
): Promise<Service[]> {
  signal.throwIfAborted();
  const resolver = new Resolver({ timeout: ASK_AGAIN_MS, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  const cancel = (): void => {
    resolver.cancel();
  };
  const timer = setTimeout(cancel, ANSWER_MS);
  signal.addEventListener("abort", cancel, { once: true });
  // Without any answer the client tries the domain's own address (RFC 6120 §3.2.2).
  const lookup = (service: string): Promise<SrvRecord[]> =>
    resolver.resolveSrv(`${service}._tcp.${domain}`).catch(() => []);
  try {
    const [direct, startTls] = await Promise.all([lookup("_xmpps-client"), lookup("_xmpp-client")]);
    signal.throwIfAborted();
    const records = [
      ...direct.map((record) => ({ ...record, directTls: true })),
      ...startTls.map((record) => ({ ...record, directTls: false })),
    ].filter(({ name }) => name !== "" && name !== ".");
    // RFC 6120 §3.2.1: the target "." says that the domain does not offer the service.
    if (records.length === 0 && startTls.length > 0) return [];
    if (records.length === 0) return [toTcpService(domain, 5222, false)].filter((it) => it !== undefined);
    return orderRecords(records, random)
      .map(({ name, port, directTls }) => toTcpService(name, port, directTls))
      .filter((it) => it !== undefined);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

/** RFC 2782: sorts by priority, and by weighted chance within one priority. */
function orderRecords<T extends SrvRecord>(records: readonly T[], random: () => number): T[] {
  return records
    .map((record) => ({ record, chance: random() ** (1 / Math.max(record.weight, 0.01)) }))
    .sort((a, b) => a.record.priority - b.record.priority || b.chance - a.chance)
    .map(({ record }) => record);
}
