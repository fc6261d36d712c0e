import "../base/require-begin.node.js";
import { client } from "@xmpp/client";
import type { XmppJsClient, XmppJsEntity } from "./xmpp-js.js";

/** An xmpp.js client of which only the stream headers are used. */
export function createXmppJsClient(service: string, domain: string): XmppJsEntity {
  const entity = client({ service, domain }) as unknown as XmppJsClient;
  entity.Transport = entity._findTransport(service);
  return entity;
}
