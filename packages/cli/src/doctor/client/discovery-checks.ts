import { lookup, Resolver } from "node:dns/promises";
import type { SrvRecord } from "node:dns";
import { parseJrd, parseXrd, resolveDomain, type Service } from "@stanzapack/xmpp";
import { failure, ok, skipped, warning, type Check, type Finding } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { textOf } from "../base/text-of.js";
import { readByHttps } from "../network/http.js";
import type { ClientState } from "./client-state.js";

const DEADLINE_MS = 12_000;
/** Longest wait for a name server or for a host-meta file, in ms. */
const ANSWER_MS = 5_000;
/** Most addresses of one transport that are checked. */
const MAX_ADDRESSES = 4;

export const DISCOVERY_CHECKS: readonly Check<ClientState>[] = [
  {
    ...{ id: "dns", side: "client", deadlineMs: DEADLINE_MS },
    async run(state, signal) {
      const { asciiDomain: domain, given } = state.target;
      if (Object.keys(given).length > 0) return skipped("an address is given, so clients need no DNS record");
      const services = await resolveDomain(domain, signal);
      state.addresses.tcp = services.slice(0, MAX_ADDRESSES).map(({ url }) => url.href);
      const resolver = new Resolver({ timeout: ANSWER_MS, tries: 1 });
      const records = await Promise.all(
        ["_xmpps-client", "_xmpp-client"].map((service) =>
          resolver.resolveSrv(`${service}._tcp.${domain}`).catch(() => []),
        ),
      );
      const hosts = new Set(services.map(({ url }) => url.hostname));
      const missing: string[] = [];
      for (const host of hosts) if (!(await hasAddress(host))) missing.push(host);
      return judgeDns(domain, records.flat(), missing);
    },
  },
  {
    ...{ id: "host-meta", side: "client", deadlineMs: DEADLINE_MS, needs: ["ca"] },
    async run(state, signal) {
      const { asciiDomain: domain, given } = state.target;
      if (Object.keys(given).length > 0) return skipped("an address is given, so clients need no host-meta");
      const names = ["host-meta.json", "host-meta"] as const;
      const answers = await Promise.allSettled(
        names.map(async (name) => {
          const url = new URL(`https://${domain}/.well-known/${name}`);
          const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
          const text = await readByHttps(url, { ca: state.ca, domain }, limit);
          return (name === "host-meta" ? parseXrd : parseJrd)(text);
        }),
      );
      const services = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
      for (const kind of ["websocket", "bosh"] as const) {
        const urls = services.filter(({ transport }) => transport === kind).map(({ url }) => url.href);
        state.addresses[kind] = [...new Set(urls)].slice(0, MAX_ADDRESSES);
      }
      const [fault] = answers.flatMap((answer) =>
        answer.status === "rejected" ? [textOf(answer.reason)] : [],
      );
      return judgeHostMeta(domain, services, fault);
    },
  },
];

async function hasAddress(host: string): Promise<boolean> {
  return lookup(host.replace(/^\[(.*)\]$/, "$1")).then(
    () => true,
    () => false,
  );
}

/** `missing`: hosts of the records without an address. */
export function judgeDns(domain: string, records: readonly SrvRecord[], missing: readonly string[]): Finding {
  const targets = records.filter(({ name }) => name !== "" && name !== ".");
  if (records.length > 0 && targets.length === 0)
    return warning(`the SRV records of ${domain} say that there is no XMPP over TCP`, FIX.dns);
  if (missing.length > 0) return failure(`no address in DNS for ${missing.join(", ")}`, FIX.dns);
  if (targets.length === 0) return ok(`${domain} has no SRV record: clients use ${domain}:5222`);
  return ok(`SRV records lead to ${targets.map(({ name, port }) => `${name}:${port}`).join(", ")}`);
}

/** `fault`: why a file could not be read. */
export function judgeHostMeta(
  domain: string,
  services: readonly Service[],
  fault: string | undefined,
): Finding {
  const kinds = new Set(services.map(({ transport }) => transport));
  const lacks = [
    ...(kinds.has("websocket") ? [] : ["WebSocket"]),
    ...(kinds.has("bosh") ? [] : ["BOSH"]),
  ].join(" and no ");
  const named = [...new Set(services.map(({ url }) => url.href))].join(", ");
  if (lacks === "") return ok(`host-meta names ${named}`);
  const reason = services.length === 0 && fault !== undefined ? ` (${fault})` : "";
  return warning(`host-meta of ${domain} names no ${lacks} address${reason}`, FIX.hostMeta);
}
