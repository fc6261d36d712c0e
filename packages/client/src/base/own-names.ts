/** Options of the SDK, by the name of their form field. All other options have the name of their field. */
const OPTIONS: Readonly<Record<string, string>> = {
  digest: "windowMs",
  digest_frequency: "windowMs",
  access_model: "access",
  max_rate: "maxRate",
  heartbeat: "heartbeatMs",
  take_over: "takeOver",
  credit: "maxQueued",
  max_items: "maxItems",
  max_bytes: "maxBytes",
  item_expire: "itemExpireSeconds",
};

/** Form fields in texts of the component: ours in Clark notation, those of XEP-0060, and bounds of a selection. */
const FIELDS = /\{urn:stanzapack:0\}(\w+)|pubsub#(\w+)|\b(max_rate)\b|\b(heartbeat)(?= \S+ is no number)/g;

/** Takes a text of the component. Returns it with the names of the SDK's options instead of form fields. */
export function withOwnNames(text: string): string {
  return text.replace(FIELDS, (_, ...groups: (string | undefined)[]) => {
    const name = groups.slice(0, 4).find((group) => group !== undefined) ?? "";
    return OPTIONS[name] ?? name;
  });
}
