import Connection from "@xmpp/connection";
import sasl from "@xmpp/sasl";
import SASLFactory from "saslmechanisms";
import { NS } from "./namespaces.js";
import { xml, type Element } from "./xml.js";
import type { XmppJsClient } from "./xmpp-js.js";

/** RFC 7395's stream header, which BOSH is given too. The rest of what `@xmpp/client` adds here stays unused. */
class FramedClient extends Connection {
  override headerElement(): Element {
    return xml("open", { version: "1.0", xmlns: NS.FRAMING });
  }
  override header(element: Element): string {
    // RFC 6120 §4.7.1: only who cannot be overheard says who it is.
    if (this.isSecure() && this.jid !== null) element.attrs["from"] = this.jid.bare().toString();
    return element.toString();
  }
  override socketParameters(): undefined {
    return undefined;
  }
}

/** What `@xmpp/sasl` asks of a login: its types know only the first argument. */
type Authenticate = (credentials: object, mechanism: string | undefined) => Promise<void>;
type Features = Parameters<typeof sasl<FramedClient>>[0]["streamFeatures"];
type FeatureHandler = Parameters<Features["use"]>[2];

/** As in `xmpp-js-client.node.ts`, of xmpp.js's connection and SASL alone: a third of the size. */
export function createXmppJsClient(service: string, domain: string): XmppJsClient {
  const entity = new FramedClient({ service, domain });
  const saslFactory = new SASLFactory();
  const streamFeatures = {
    use(name: string, xmlns: string, handler: FeatureHandler) {
      entity.on("element", (element: Element) => {
        const feature = element.is("features", NS.STREAM) ? element.getChild(name, xmlns) : undefined;
        if (feature === undefined) return;
        handler({ entity } as Parameters<FeatureHandler>[0], () => Promise.resolve(), feature).catch(
          (error: unknown) => entity.emit("error", error),
        );
      });
    },
  };
  sasl<FramedClient>(
    { streamFeatures: streamFeatures as unknown as Features, saslFactory },
    (authenticate, [mechanism]) => (authenticate as unknown as Authenticate)({}, mechanism),
  );
  return Object.assign(entity, {
    saslFactory,
    reconnect: { stop: () => undefined },
  }) as unknown as XmppJsClient;
}
