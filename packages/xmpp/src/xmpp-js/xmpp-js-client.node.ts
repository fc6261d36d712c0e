import "../base/require-begin.node.js";
import { client } from "@xmpp/client";
import type { XmppJsClient, XmppJsEntity } from "./xmpp-js.js";

/** Creates an xmpp.js client. This package uses only its stream headers. */
export function createXmppJsClient(service: string, domain: string): XmppJsEntity {
  const entity = client({ service, domain }) as unknown as XmppJsClient;
  entity.Transport = entity._findTransport(service);
  return entity;
}
