/** Options of ours by the name of their form field; those that are not here have the same name. */
const OPTIONS: Readonly<Record<string, string>> = {
  digest: "windowMs",
  digest_frequency: "windowMs",
  access_model: "access",
  max_rate: "maxRate",
  heartbeat: "heartbeatMs",
  take_over: "takeOver",
  credit: "maxQueued",
};

/** In Clark notation, of XEP-0060, and as the component's texts name bounds of a selection. */
const FIELDS = /\{urn:stanzapack:0\}(\w+)|pubsub#(\w+)|\b(max_rate)\b|\b(heartbeat)(?= \S+ is no number)/g;

/** A text of the component's, with the SDK's options in the place of the form's fields. */
export function withOwnNames(text: string): string {
  return text.replace(FIELDS, (_, ...groups: (string | undefined)[]) => {
    const name = groups.slice(0, 4).find((group) => group !== undefined) ?? "";
    return OPTIONS[name] ?? name;
  });
}
