import { XmppError } from "../base/errors.js";
import type { Target } from "./service-url.js";
import type { TransportSocket } from "./transport.js";

/** As in `stream-socket.node.ts`, but always rejects: a browser has no TCP. */
export function connectSocket({ host }: Target): Promise<TransportSocket> {
  return Promise.reject(new XmppError("unreachable", `no TCP from here to ${host}: use wss: or https:`));
}

/** Throws `TypeError` when `ca` is given: a page cannot change which authorities the browser trusts. */
export function createSecureContext(ca: string | undefined): undefined {
  if (ca !== undefined) throw new TypeError("`ca` is not for browsers: they have authorities of their own");
  return undefined;
}
