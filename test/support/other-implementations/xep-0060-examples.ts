import { NS, xml, type Element } from "@stanzapack/xmpp";

type Fields = Readonly<Record<string, string | readonly string[]>>;

/** A form as other implementations write it: without types, with any fields, some of them twice. */
export function form(type: string | undefined, formType: string, ...fields: readonly Fields[]): Element {
  const list = [
    ...(formType === "" ? [] : [["FORM_TYPE", formType] as const]),
    ...fields.flatMap((it) => Object.entries(it)),
  ];
  return xml(
    "x",
    { xmlns: NS.DATA_FORMS, type },
    ...list.map(([name, values]) =>
      xml("field", { var: name }, ...[values].flat().map((value) => xml("value", {}, value))),
    ),
  );
}

/** Fields of the form in the examples of XEP-0060 §6.3.5 and §6.3.7. */
export const EXAMPLE_OPTIONS: Fields = {
  "pubsub#deliver": "1",
  "pubsub#digest": "0",
  "pubsub#include_body": "false",
  "pubsub#show-values": ["chat", "online", "away"],
};

/** Fields of the form in the example of XEP-0060 §8.1.3. */
export const EXAMPLE_CONFIG: Fields = {
  "pubsub#title": "Princely Musings (Atom)",
  "pubsub#deliver_notifications": "1",
  "pubsub#deliver_payloads": "1",
  "pubsub#persist_items": "1",
  "pubsub#max_items": "10",
  "pubsub#item_expire": "604800",
  "pubsub#access_model": "open",
  "pubsub#publish_model": "publishers",
  "pubsub#purge_offline": "0",
  "pubsub#send_last_published_item": "never",
  "pubsub#presence_based_delivery": "false",
  "pubsub#notification_type": "headline",
  "pubsub#notify_config": "0",
  "pubsub#notify_delete": "0",
  "pubsub#notify_retract": "0",
  "pubsub#notify_sub": "0",
  "pubsub#max_payload_size": "1028",
  "pubsub#type": "urn:example:e2ee:bundle",
  "pubsub#body_xslt": "http://jabxslt.jabberstudio.org/atom_body.xslt",
};
