import {
  bareJid,
  fitForXml,
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
import type { Question } from "../catalog/approvals.js";
import type { Broker } from "../broker/broker.js";
import { Subscription } from "../subscriptions/subscription.js";
import { toStanzaError } from "../forms/errors.js";
import { accountOf, targetNamed } from "../forms/addresses.js";
import { boolean, invalid, readSubmission, single } from "../forms/submissions.js";

const FORM = NS.PUBSUB_SUBSCRIBE_AUTHORIZATION;
const FIELD = {
  SUBID: "pubsub#subid",
  NODE: "pubsub#node",
  SUBSCRIBER: "pubsub#subscriber_jid",
  ALLOW: "pubsub#allow",
} as const;

/**
 * Sends publishers the form that asks for approval, reads their answers, and informs subscribers (XEP-0060 §8.6). All
 * messages to them are headlines, which no server keeps for later. So a question is asked again. Returns the undo.
 */
export function registerSubscribeAuthorization(connection: Connection, broker: Broker): () => void {
  const send = (to: string, ...children: Element[]): void =>
    void connection.sendElement(xml("message", { from: connection.jid, to, type: "headline" }, ...children));
  broker.approvals.messages = {
    ask: (question, publisher) =>
      connection.sendElement(formatQuestion(question, publisher.jid, connection.jid)),
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
      else
        send(
          link.jid,
          event,
          xml("reason", { xmlns: NS.STANZAPACK, code: outcome.code }, fitForXml(outcome.text)),
        );
    },
  };
  const undo = connection.onStanza((stanza) => {
    if (!stanza.is("message") || stanza.attrs["type"] === "error") return false;
    if (parseForm(stanza)?.formType !== FORM) return false;
    try {
      broker.budgets.request(stanza.attrs["from"] as string);
      const form = readSubmission(stanza, FORM);
      // XEP-0060 §8.6: if the form is cancelled, the request remains pending.
      if (form !== "cancel" && form !== undefined) answered(broker, stanza.attrs["from"] as string, form);
    } catch (error) {
      broker.refused(stanza.attrs["from"] as string, "an answer about a subscriber", error);
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

/**
 * Returns the question to a publisher, as in the example of XEP-0060 §8.6. It has an id, which the answer reflects,
 * and a text for clients that cannot show forms.
 */
function formatQuestion({ service, asker, id }: Question, to: string, from: string): Element {
  const form = formatForm(
    "form",
    FORM,
    [
      { var: FIELD.SUBID, type: "hidden", values: [id] },
      { var: FIELD.NODE, type: "text-single", label: "Service", values: [service.node] },
      { var: FIELD.SUBSCRIBER, type: "jid-single", label: "JID that asks", values: [asker] },
      {
        var: FIELD.ALLOW,
        type: "boolean",
        label: "Allow this JID to subscribe to this service?",
        values: ["false"],
      },
    ],
    {
      title: "A subscription awaits approval",
      instructions: "Submit the form with your decision. If you cancel the form, the request stays open.",
    },
  );
  const text = `${asker} asks to subscribe to ${service.node}. Answer with the form of this message.`;
  return xml("message", { from, to, id: `approve-${id}`, type: "headline" }, xml("body", {}, text), form);
}

/** Decides by a filled form. Any session of the service's owner may send it: the bare JID has the authority. */
function answered(broker: Broker, from: string, form: DataForm): void {
  const field = (name: string): string | undefined => single(form, name);
  const allow = boolean(form, FIELD.ALLOW);
  if (allow === undefined) throw invalid(`the form has no ${FIELD.ALLOW}`);
  const service = broker.catalog.own(targetNamed(field(FIELD.NODE) ?? ""), bareJid(from));
  broker.approvals.decide(
    service,
    accountOf(field(FIELD.SUBSCRIBER) ?? ""),
    field(FIELD.SUBID),
    allow,
    monotonicNow(),
  );
}
