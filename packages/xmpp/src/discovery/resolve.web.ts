import type { Service } from "../transports/service-url.js";

/** As in `resolve.node.ts`: a browser has neither DNS nor TCP, so what the domain's host-meta says is all there is. */
export function resolveDomain(_domain: string, _signal: AbortSignal): Promise<Service[]> {
  return Promise.resolve([]);
}
