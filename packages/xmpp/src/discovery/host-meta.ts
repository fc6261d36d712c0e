import { httpsGet } from "../http/https-get.node.js";
import { hostInUrl, type Service } from "../transports/service-url.js";
import { StreamParser } from "../xml/stream-parser.js";
import type { TlsOptions } from "../transports/stream-socket.node.js";
import { sleep } from "../base/timing.js";
import type { TransportKind } from "../transports/transport.js";
import type { Element } from "../xml/xml.js";

/** Largest accepted host-meta file, in bytes. 65,536: usual files have 300. */
const MAX_FILE_BYTES = 65_536;

/** Time to wait for the other file after one file has named addresses, in ms. Usually both name the same. */
const GRACE_MS = 500;

/** Most addresses of one domain that are used. 6: each takes time to try. */
const MAX_SERVICES = 6;

/** XEP-0156 §3.1. */
const RELATIONS: Readonly<Record<string, { readonly transport: TransportKind; readonly protocol: string }>> =
  {
    "urn:xmpp:alt-connections:websocket": { transport: "websocket", protocol: "wss:" },
    "urn:xmpp:alt-connections:xbosh": { transport: "bosh", protocol: "https:" },
  };

/**
 * Returns the WebSocket and BOSH addresses that a domain names in its host-meta (XEP-0156), WebSocket first. Returns
 * none when the domain names none or does not answer. `origin` is for tests.
 */
export async function findAlternatives(
  tls: TlsOptions,
  signal: AbortSignal,
  origin = `https://${hostInUrl(tls.domain)}`,
): Promise<Service[]> {
  const cancel = new AbortController();
  const life = AbortSignal.any([signal, cancel.signal]);
  const files: Service[][] = [];
  const reads = [["host-meta.json", parseJrd] as const, ["host-meta", parseXrd] as const].map(
    async ([name, parse], index) => {
      try {
        const url = new URL(`${origin}/.well-known/${name}`);
        files[index] = parse(await httpsGet(url, { tls, maxBytes: MAX_FILE_BYTES }, life));
      } catch {
        // A domain without host-meta is the rule.
      }
      if (files[index] === undefined || files[index].length === 0) throw new Error("nothing there");
    },
  );
  await Promise.race([
    Promise.allSettled(reads),
    Promise.any(reads).then(
      () => sleep(GRACE_MS, life),
      () => undefined,
    ),
  ]);
  cancel.abort();
  const byUrl = new Map(files.flat().map((service) => [service.url.href, service]));
  const services = [...byUrl.values()];
  return (["websocket", "bosh"] as const)
    .flatMap((transport) => services.filter((service) => service.transport === transport))
    .slice(0, MAX_SERVICES);
}

/** Returns the services that a host-meta file in JSON names (RFC 6415 Appendix A). Throws if the text is not JSON. */
export function parseJrd(text: string): Service[] {
  const { links } = JSON.parse(text) as { links?: unknown };
  if (!Array.isArray(links)) return [];
  return (links as ({ rel?: unknown; href?: unknown } | null)[]).flatMap((link) =>
    toService(link?.rel, link?.href),
  );
}

/** Returns the services that a host-meta file in XML names (RFC 6415 §3). Throws if the text is not XML. */
export function parseXrd(text: string): Service[] {
  const services: Service[] = [];
  const parser = new StreamParser({ maxStanzaChars: MAX_FILE_BYTES, maxDepth: 8, maxElements: 1_000 });
  parser.on("element", (element: Element) => {
    if (element.getName() !== "Link") return;
    for (const service of toService(element.attrs["rel"], element.attrs["href"])) services.push(service);
  });
  parser.write(withoutComments(text));
  return services;
}

/** Not a regular expression: it would search the whole rest of the text for the end of each unfinished comment. */
function withoutComments(text: string): string {
  let rest = "";
  let at = 0;
  for (;;) {
    const start = text.indexOf("<!--", at);
    const end = start < 0 ? -1 : text.indexOf("-->", start);
    if (end < 0) return rest + text.slice(at);
    rest += text.slice(at, start);
    at = end + 3;
  }
}

function toService(relation: unknown, href: unknown): Service[] {
  const known = typeof relation === "string" && Object.hasOwn(RELATIONS, relation) && RELATIONS[relation];
  if (!known || typeof href !== "string" || !URL.canParse(href)) return [];
  const url = new URL(href);
  // XEP-0156 §3.2: only encrypted addresses.
  return url.protocol === known.protocol ? [{ transport: known.transport, url }] : [];
}
