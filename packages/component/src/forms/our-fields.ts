import { SELECTION_FIELDS } from "@stanzapack/wire";
import { formatForm, NS, type DataForm, type Element, type FormField } from "@stanzapack/xmpp";
import type { AccessModel, Compression, Durability } from "../options/service-config.js";

/**
 * Form fields. Our own are in Clark notation: a field that we add to a form of others carries our namespace (XEP-0068
 * §2.4).
 */
export const FIELD = {
  KIND: "{urn:stanzapack:0}kind",
  COMPRESSION: "{urn:stanzapack:0}compression",
  OPAQUE: "{urn:stanzapack:0}opaque",
  DURABILITY: "{urn:stanzapack:0}durability",
  INCARNATION: "{urn:stanzapack:0}incarnation",
  TAKE_OVER: "{urn:stanzapack:0}take_over",
  MEMBERS: "{urn:stanzapack:0}members",
  DELIVERY: "{urn:stanzapack:0}delivery",
  WINDOW: "{urn:stanzapack:0}window",
  ONLINE: "{urn:stanzapack:0}online",
  SINCE: "{urn:stanzapack:0}since",
  CURSOR: "{urn:stanzapack:0}cursor",
  CREDIT: "{urn:stanzapack:0}credit",
  RECOVERED: "{urn:stanzapack:0}recovered",
  POSITION: "{urn:stanzapack:0}position",
  ACCESS_MODEL: "pubsub#access_model",
  NODE_TYPE: "pubsub#node_type",
  TITLE: "pubsub#title",
  OWNER: "pubsub#owner",
  MAX_ITEMS: "pubsub#max_items",
  ITEM_EXPIRE: "pubsub#item_expire",
  MAX_BYTES: "{urn:stanzapack:0}max_bytes",
  DIGEST: "pubsub#digest",
  DIGEST_FREQUENCY: "pubsub#digest_frequency",
} as const;

type Description = Pick<FormField, "type" | "label" | "options">;

const ACCESS_LABELS = {
  open: "Everybody",
  whitelist: "Members only",
  authorize: "Members, and JIDs that the publisher allows on request",
} as const satisfies Record<AccessModel, string>;

/** Labels that a client shows to a person who fills in our forms (XEP-0004 §3.2), and the values that it offers. */
const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  [FIELD.KIND]: list("Which updates matter", {
    value: "The newest value: it may replace older values",
    log: "Every update: the component keeps all",
  }),
  [FIELD.COMPRESSION]: list("How updates are compressed", {
    shared: "With earlier updates as context",
    isolated: "Each by itself, so that its size reveals nothing about others",
  } satisfies Record<Compression, string>),
  [FIELD.OPAQUE]: { type: "boolean", label: "Whether values are bytes that pass unchanged" },
  [FIELD.DURABILITY]: list("How safe updates are", {
    none: "In memory: gone when the component restarts",
    interval: "On the disk a little later, by default within a second",
    sync: "On the disk before anybody receives them",
  } satisfies Record<Durability, string>),
  [FIELD.ACCESS_MODEL]: list("Who may subscribe", ACCESS_LABELS),
  [FIELD.MAX_ITEMS]: { type: "text-single", label: "Most updates that a log keeps; max: as many as allowed" },
  [FIELD.ITEM_EXPIRE]: {
    type: "text-single",
    label: "Seconds after which a log drops an update; max: as long as allowed",
  },
  [FIELD.MAX_BYTES]: { type: "text-single", label: "Most bytes that a log keeps; max: as many as allowed" },
  [FIELD.TITLE]: { type: "text-single", label: "A friendly name for the service" },
  [FIELD.MEMBERS]: { type: "jid-multi", label: "Members: JIDs that may subscribe without approval" },
  [FIELD.OWNER]: { type: "jid-multi", label: "Owner" },
  [FIELD.ONLINE]: { type: "boolean", label: "Whether its publisher is online" },
  [FIELD.WINDOW]: { type: "text-single", label: "Smallest window of a subscriber, in ms" },
  [FIELD.DIGEST]: { type: "boolean", label: "Gather updates instead of sending each at once" },
  [FIELD.DIGEST_FREQUENCY]: { type: "text-single", label: "Time for which updates are gathered, in ms" },
  [FIELD.DELIVERY]: list("How updates are delivered", { link: "As frames over the link" }),
  [FIELD.SINCE]: { type: "text-single", label: "Where in a log to begin" },
  [FIELD.CURSOR]: { type: "text-single", label: "Name under which a log continues next time" },
  [FIELD.CREDIT]: { type: "text-single", label: "Updates to send before the subscriber gives more credit" },
  "{urn:stanzapack:0}samples": list("Which updates", {
    all: "All of them",
    latest: "The newest of each window",
  }),
  "{urn:stanzapack:0}max_rate": { type: "text-single", label: "Most updates a second" },
  "{urn:stanzapack:0}fields": { type: "text-multi", label: "Names of the fields to send; none: all" },
  "{urn:stanzapack:0}deadband": { type: "text-single", label: "Change that is too small to be sent" },
  "{urn:stanzapack:0}heartbeat": { type: "text-single", label: "Longest time without a sign of life, in ms" },
  "{urn:stanzapack:0}keys": { type: "text-multi", label: "Keys of a map to send; none: all" },
  "{urn:stanzapack:0}prefix": { type: "text-single", label: "Beginning of the keys of a map to send" },
};

function list(label: string, options: Readonly<Record<string, string>>): Description {
  return {
    ...{ type: "list-single", label },
    options: Object.entries(options).map(([value, text]) => ({ value, label: text })),
  };
}

type Values = Readonly<Record<string, string | readonly string[]>>;

/**
 * Returns a form of ours with types and labels, and with options if somebody is to fill it in. `names`: further fields,
 * which have no value.
 */
export function formatOurForm(
  type: DataForm["type"],
  formType: string,
  values: Values,
  names: readonly string[] = [],
): Element {
  const all = [...new Set([...Object.keys(values), ...names])];
  const fields = all.map((name): FormField => {
    const { options, ...described } = DESCRIPTIONS[name] ?? {};
    return {
      ...{ var: name, ...described, values: [values[name] ?? []].flat().filter((value) => value !== "") },
      // XEP-0004 §3.2: options are for the person who fills in the form.
      ...(type === "form" && options !== undefined ? { options } : {}),
    };
  });
  return formatForm(type, formType, fields);
}

/**
 * Returns the form of a subscription's options, to fill in (XEP-0060 §6.3.3). The form also has the options that were
 * not asked for.
 */
export function formatOptionsForm(type: DataForm["type"], values: Values): Element {
  return formatOurForm(type, NS.PUBSUB_SUBSCRIBE_OPTIONS, values, SELECTION_FIELDS);
}
