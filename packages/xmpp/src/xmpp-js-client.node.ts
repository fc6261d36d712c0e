import { client } from "@xmpp/client";
import type { XmppJsClient } from "./xmpp-js.js";

/** An xmpp.js client of which only the stream headers and SASL are used. */
export function createXmppJsClient(service: string, domain: string): XmppJsClient {
  const entity = client({ service, domain }) as unknown as XmppJsClient;
  entity.Transport = entity._findTransport(service);
  return entity;
}
