import { StanzapackError } from "@stanzapack/wire";
import {
  bareJid,
  formatForm,
  formatStanzaError,
  NS,
  parseForm,
  StanzaError,
  xml,
  type Connection,
  type DataForm,
  type Element,
  monotonicNow,
} from "@stanzapack/xmpp";
import type { Question } from "../approvals.js";
import type { Broker } from "../broker.js";
import type { ComponentStats } from "../stats.js";
import { Subscription } from "../subscription.js";
import { toStanzaError } from "./errors.js";
import { accountOf } from "./options.js";

const FORM = NS.PUBSUB_SUBSCRIBE_AUTHORIZATION;
const FIELD = {
  SUBID: "pubsub#subid",
  NODE: "pubsub#node",
  SUBSCRIBER: "pubsub#subscriber_jid",
  ALLOW: "pubsub#allow",
} as const;

/**
 * XEP-0060 §8.6: the form that asks a publisher, its answer, and the word to the subscriber. Headlines all, which no server keeps for
 * later: a question is asked again. Returns the undo.
 */
export function registerSubscribeAuthorization(
  connection: Connection,
  broker: Broker,
  stats: ComponentStats,
): () => void {
  const send = (to: string, ...children: Element[]): void =>
    void connection.sendElement(xml("message", { from: connection.jid, to, type: "headline" }, ...children));
  broker.approvals.messages = {
    ask: (question, publisher) => send(publisher.jid, formatQuestion(question)),
    tell(link, service, outcome) {
      const granted = outcome instanceof Subscription;
      const subscription = xml("subscription", {
        node: service.node,
        jid: link.jid,
        subid: granted ? outcome.subid : undefined,
        subscription: granted ? "subscribed" : "none",
      });
      const event = xml("event", NS.PUBSUB_EVENT, subscription);
      // XEP-0060 has no place for the reason.
      if (granted) send(link.jid, event);
      else send(link.jid, event, xml("reason", { xmlns: NS.STANZAPACK, code: outcome.code }, outcome.text));
    },
  };
  const undo = connection.onStanza((stanza) => {
    if (!stanza.is("message") || stanza.attrs["type"] === "error") return false;
    const form = parseForm(stanza);
    if (form?.formType !== FORM) return false;
    try {
      answered(broker, stanza.attrs["from"] as string, form);
    } catch (error) {
      stats.refusals++;
      const fault = toStanzaError(error);
      const { from, to, id } = stanza.attrs as Record<string, string | undefined>;
      const reply = xml("message", { from: to, to: from, id, type: "error" });
      reply.append(
        formatStanzaError(
          fault instanceof StanzaError ? fault : new StanzaError("internal-server-error", "wait"),
        ),
      );
      connection.sendElement(reply);
    }
    return true;
  });
  return () => {
    undo();
    broker.approvals.messages = undefined;
  };
}

function formatQuestion({ service, asker, id }: Question): Element {
  return formatForm(
    "form",
    FORM,
    [
      { var: FIELD.SUBID, type: "hidden", values: [id] },
      { var: FIELD.NODE, type: "text-single", label: "Service", values: [service.node] },
      { var: FIELD.SUBSCRIBER, type: "jid-single", label: "Who asks", values: [asker] },
      {
        var: FIELD.ALLOW,
        type: "boolean",
        label: "Allow this JID to take this service?",
        values: ["false"],
      },
    ],
    { title: "A subscription awaits approval" },
  );
}

/** Authority is the bare JID's: any session of the owner may answer, and nobody else. */
function answered(broker: Broker, from: string, form: DataForm): void {
  // XEP-0060 §8.6: cancelled, it remains pending.
  if (form.type === "cancel") return;
  if (form.type !== "submit") throw invalid(`the form's type is \`${form.type}\`, not \`submit\``);
  const field = (name: string): string | undefined => form.fields.get(name)?.[0];
  const allow = field(FIELD.ALLOW) ?? "";
  if (!["0", "1", "true", "false"].includes(allow))
    throw invalid(`${FIELD.ALLOW} \`${allow.slice(0, 40)}\` is no boolean`);
  const service = broker.own(field(FIELD.NODE) ?? "", bareJid(from));
  broker.approvals.decide(
    service,
    accountOf(field(FIELD.SUBSCRIBER) ?? ""),
    field(FIELD.SUBID),
    allow === "1" || allow === "true",
    monotonicNow(),
  );
}

function invalid(text: string): StanzapackError {
  return new StanzapackError("invalid-options", text);
}
