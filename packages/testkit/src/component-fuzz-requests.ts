import { childElements, formatForm, NS, xml, type Element } from "@stanzapack/xmpp";
import type { Random } from "./random.js";

/** What a request may be about. */
export interface FuzzPlace {
  readonly component: string;
  /** Full and bare JID of who asks. */
  readonly jid: string;
  readonly bare: string;
  /** Of the link of this life. */
  readonly sid: string;
  /** A node that the bystanders use. */
  readonly bystander: string;
}

/** Servers end a client that sends more in one stanza than 262,144 bytes. */
const MAX_STANZA_CHARS = 200_000;
const NAMES = [
  "create",
  "configure",
  "subscribe",
  "options",
  "x",
  "field",
  "value",
  "query",
  "open",
  "data",
  "close",
  "ping",
  "y",
];
const ATTRIBUTES = [
  "node",
  "jid",
  "subid",
  "var",
  "type",
  "sid",
  "seq",
  "block-size",
  "stanza",
  "affiliation",
  "constructor",
  "z",
];
const SPACES = [
  NS.PUBSUB,
  NS.PUBSUB_OWNER,
  NS.DATA_FORMS,
  NS.DISCO_INFO,
  NS.DISCO_ITEMS,
  NS.IBB,
  NS.PING,
  "urn:x",
];
const FIELDS = [
  ...["kind", "profile", "members", "delivery", "since", "window", "samples", "deadband"].map(
    (name) => `{urn:stanzapack:0}${name}`,
  ),
  ...["access_model", "title", "digest", "digest_frequency"].map((name) => `pubsub#${name}`),
  ...["FORM_TYPE", "__proto__", "toString", ""],
];
const WORDS = [
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
  ],
  ...[
    "value",
    "log",
    "map",
    "open",
    "whitelist",
    "authorize",
    "default",
    "compact",
    "link",
    "event",
    "body",
    "member",
    "none",
  ],
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

/** Makes requests of the negotiation: as they should be, and mutated. */
export class FuzzRequests {
  constructor(
    private readonly random: Random,
    private readonly place: FuzzPlace,
  ) {}

  /** Offers and subscriptions as they should be. */
  right(): Element {
    return this.random.pick([this.create, this.create, this.subscribe])();
  }

  any(): Element {
    const { random } = this;
    const iq = random.pick(this.all)();
    if (random.chance(3))
      iq.attrs["to"] = random.pick([`${this.place.component}/x`, `x@${this.place.component}`]);
    const whole = String(iq).length;
    for (let n = random.below(4); n > 0; n--) this.mutate(iq);
    // Too large for the server is not for the component.
    return String(iq).length <= Math.max(whole, MAX_STANZA_CHARS) ? iq : this.create();
  }

  private iq(type: "get" | "set", ...children: Element[]): Element {
    return xml("iq", { type, to: this.place.component }, ...children);
  }

  private node(): string {
    const { random, place } = this;
    const own = `${place.bare}/n${random.below(30)}`;
    return random.chance(70)
      ? own
      : random.pick([place.bystander, `${place.bare}/${random.below(1e6)}`, "x@y/z", this.word()]);
  }

  private word(): string {
    const { random, place } = this;
    if (random.chance(2))
      return random.pick(["x", "'", "\u{1f600}"]).repeat(random.pick([300, 5_000, 15_000]));
    return random.chance(20)
      ? random.pick([place.jid, place.bare, place.sid, place.bystander])
      : random.pick(WORDS);
  }

  private fields(): Record<string, string | string[]> {
    const { random } = this;
    const fields: Record<string, string | string[]> = {};
    for (let n = random.below(3); n > 0; n--)
      fields[random.pick(FIELDS)] = random.chance(80)
        ? this.word()
        : Array.from({ length: random.pick([0, 2, 50]) }, () => this.word());
    return fields;
  }

  private readonly create = (): Element => {
    const { random } = this;
    const config = formatForm("submit", NS.PUBSUB_NODE_CONFIG, {
      "{urn:stanzapack:0}kind": random.pick(["value", "log"]),
      "pubsub#access_model": random.pick(["open", "whitelist"]),
      ...(random.chance(40) ? this.fields() : {}),
    });
    return this.iq(
      "set",
      xml("pubsub", NS.PUBSUB, xml("create", { node: this.node() }), xml("configure", {}, config)),
    );
  };

  private readonly subscribe = (): Element => {
    const { random, place } = this;
    const form = formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, {
      "pubsub#digest_frequency": random.pick(["0", "100", "1000", "86400000"]),
      ...(random.chance(40) ? this.fields() : {}),
    });
    const options = random.chance(70) ? [xml("options", {}, form)] : [];
    return this.iq(
      "set",
      xml("pubsub", NS.PUBSUB, xml("subscribe", { node: this.node(), jid: place.jid }), ...options),
    );
  };

  private readonly all: readonly (() => Element)[] = [
    this.create,
    this.create,
    this.subscribe,
    this.subscribe,
    () =>
      this.iq("set", xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node: this.node(), subid: this.word() }))),
    () => this.iq(this.random.pick(["get", "set"]), xml("pubsub", NS.PUBSUB, this.options())),
    () =>
      this.iq(
        "get",
        xml(
          "pubsub",
          NS.PUBSUB,
          xml(this.random.pick(["subscriptions", "affiliations", "items"]), { node: this.node() }),
        ),
      ),
    () =>
      this.iq(
        "set",
        xml("pubsub", NS.PUBSUB, xml("publish", { node: this.node() }, xml("item", {}, xml("x", "urn:x")))),
      ),
    () => this.iq("set", xml("pubsub", NS.PUBSUB_OWNER, xml("delete", { node: this.node() }))),
    () => this.iq(this.random.pick(["get", "set"]), xml("pubsub", NS.PUBSUB_OWNER, this.configure())),
    () => this.iq(this.random.pick(["get", "set"]), xml("pubsub", NS.PUBSUB_OWNER, this.affiliations())),
    () =>
      this.iq(
        "get",
        xml("query", {
          xmlns: this.random.pick([NS.DISCO_INFO, NS.DISCO_ITEMS]),
          node: this.random.pick([undefined, this.node(), this.place.bare]),
        }),
      ),
    () => this.iq("get", xml("ping", NS.PING)),
    () => this.iq("set", this.bytestream()),
    () => this.iq(this.random.pick(["get", "set"])),
    () =>
      this.iq(
        this.random.pick(["get", "set"]),
        xml(this.random.pick(NAMES), { xmlns: this.random.pick(SPACES) }),
      ),
  ];

  private options(): Element {
    const { random } = this;
    const form = formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, this.fields());
    return xml(
      "options",
      { node: this.node(), jid: random.pick([undefined, this.place.jid, this.word()]) },
      form,
    );
  }

  private configure(): Element {
    return xml(
      "configure",
      { node: this.node() },
      formatForm("submit", NS.PUBSUB_NODE_CONFIG, this.fields()),
    );
  }

  private affiliations(): Element {
    const { random } = this;
    return xml(
      "affiliations",
      { node: this.node() },
      ...Array.from({ length: random.below(4) }, () =>
        xml("affiliation", {
          jid: this.word(),
          affiliation: random.pick(["member", "none", "owner", this.word()]),
        }),
      ),
    );
  }

  /** Opens, data in iqs and closes, of this life's sid and of others. */
  private bytestream(): Element {
    const { random } = this;
    const sid = random.chance(30) ? this.place.sid : this.word();
    return random.pick([
      () =>
        xml("open", {
          xmlns: NS.IBB,
          sid,
          "block-size": random.pick(["4095", "65535", this.word()]),
          stanza: random.pick(["message", "iq"]),
        }),
      () => xml("data", { xmlns: NS.IBB, sid: this.word(), seq: this.word() }, this.word()),
      () => xml("close", { xmlns: NS.IBB, sid: this.word() }),
    ])();
  }

  private mutate(iq: Element): void {
    const { random } = this;
    const elements = [...descendants(iq)];
    if (elements.length === 0) return;
    const element = random.pick(elements);
    switch (random.below(9)) {
      case 0:
        element.attrs[random.pick(ATTRIBUTES)] = this.word();
        break;
      case 1:
        delete element.attrs[random.pick(Object.keys(element.attrs).concat(""))];
        break;
      case 2:
        element.name = random.pick(NAMES);
        break;
      case 3:
        element.attrs["xmlns"] = random.pick(SPACES);
        break;
      case 4:
        // The element again, as often as a few times.
        for (let n = random.below(4); n > 0; n--) element.parent?.append(copyOf(element));
        break;
      case 5:
        element.children = [];
        break;
      case 6:
        element.t(this.word());
        break;
      case 7: {
        let nested = xml("y");
        for (let depth = random.pick([3, 40, 200]); depth > 0; depth--)
          nested = xml(random.pick(NAMES), {}, nested);
        element.append(nested);
        break;
      }
      default:
        for (let n = random.pick([1, 5, 300]); n > 0; n--)
          element.append(xml("field", { var: random.pick(FIELDS) }, xml("value", {}, random.pick(WORDS))));
    }
  }
}

function* descendants(element: Element): Generator<Element> {
  for (const child of childElements(element)) {
    yield child;
    yield* descendants(child);
  }
}

function copyOf(element: Element): Element {
  return xml(
    element.name,
    { ...element.attrs },
    ...element.children.map((child) => (typeof child === "object" ? copyOf(child) : child)),
  );
}
