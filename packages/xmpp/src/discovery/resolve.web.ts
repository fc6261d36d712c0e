import type { Service } from "../transports/service-url.js";

/** As in `resolve.node.ts`, but returns none: a browser has neither DNS nor TCP. Only host-meta can name addresses. */
export function resolveDomain(_domain: string, _signal: AbortSignal): Promise<Service[]> {
  return Promise.resolve([]);
}
