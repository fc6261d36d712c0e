import type { Random } from "../base/random.js";

/** Addresses and names that a request may use. */
export interface FuzzPlace {
  readonly component: string;
  /** Full and bare JID of the sender. */
  readonly jid: string;
  readonly bare: string;
  /** Sid of this life's link. */
  readonly sid: string;
  /** A node that the bystanders use. */
  readonly bystander: string;
}

const FIELDS = [
  ...[
    "incarnation",
    "take_over",
    "kind",
    "members",
    "delivery",
    "since",
    "cursor",
    "credit",
    "window",
    "samples",
    "deadband",
  ].map((name) => `{urn:stanzapack:0}${name}`),
  ...["compression", "opaque", "max_bytes"].map((name) => `{urn:stanzapack:0}${name}`),
  ...["max_items", "item_expire", "access_model", "title", "digest", "digest_frequency"].map(
    (name) => `pubsub#${name}`,
  ),
  ...["FORM_TYPE", "__proto__", "toString", ""],
];
/** Texts that replace a correct text. */
export const WORDS = [
  ...[
    "",
    " ",
    "\t\n",
    "0",
    "1",
    "-1",
    "65535",
    "65536",
    "1e3",
    "1e999",
    "NaN",
    "true",
    "99999999999999999999",
    "first",
    "max",
  ],
  ...["value", "log", "map", "open", "whitelist", "authorize", "link", "event", "body", "member", "none"],
  ...[
    "@",
    "/",
    "a@b@c/d/e",
    "@localhost",
    "a@",
    "localhost",
    "__proto__",
    "../..",
    "%s%n",
    "1:1",
    "2026-01-01T00:00:00Z",
  ],
  ...["\u{1f600}", "\u202e", "e\u0301", "\ufffd", "'\"<>&", "]]>", "&amp;"],
];

/** Names and texts for requests by iq and by frame. */
export class FuzzNames {
  constructor(
    readonly random: Random,
    readonly place: FuzzPlace,
  ) {}

  field(): string {
    return this.random.pick(FIELDS);
  }

  /** A node id: often one of its own, sometimes one of the bystanders', or none at all. */
  node(): string {
    const { random, place } = this;
    const own = `${place.bare}/n${random.below(30)}`;
    return random.chance(70)
      ? own
      : random.pick([place.bystander, `${place.bare}/${random.below(1e6)}`, "x@y/z", this.word()]);
  }

  /** A name of a cursor: often one that others of this sender use too. */
  cursor(): string {
    return this.random.chance(90) ? this.random.pick(["a", "b", "c"]) : this.word();
  }

  word(): string {
    const { random, place } = this;
    if (random.chance(2))
      return random.pick(["x", "'", "\u{1f600}"]).repeat(random.pick([300, 5_000, 15_000]));
    return random.chance(20)
      ? random.pick([place.jid, place.bare, place.sid, place.bystander])
      : random.pick(WORDS);
  }

  /** Fields of an options form, or of a configuration. */
  fields(): Record<string, string | string[]> {
    const { random } = this;
    const fields: Record<string, string | string[]> = {};
    for (let n = random.below(3); n > 0; n--)
      fields[this.field()] = random.chance(80)
        ? this.word()
        : Array.from({ length: random.pick([0, 2, 50]) }, () => this.word());
    return fields;
  }
}
