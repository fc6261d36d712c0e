import { childElements, formatForm, NS, xml, type Element } from "@stanzapack/xmpp";
import { WORDS, type FuzzNames, type FuzzPlace } from "./component-fuzz-names.js";
import type { Random } from "../base/random.js";

/**
 * Largest stanza that is sent, in characters. A server ends a client that sends more than 262,144 bytes in a stanza.
 */
const MAX_STANZA_CHARS = 200_000;
const NAMES = [
  "create",
  "cursors",
  "delete",
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
  NS.STANZAPACK,
  "urn:x",
];
/** Makes requests of the negotiation, correct and mutated. */
export class FuzzRequests {
  private readonly random: Random;
  private readonly place: FuzzPlace;

  constructor(private readonly names: FuzzNames) {
    ({ random: this.random, place: this.place } = names);
  }

  /** A correct offer or subscription. */
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
    // A stanza that is too large for the server would never reach the component.
    return String(iq).length <= Math.max(whole, MAX_STANZA_CHARS) ? iq : this.create();
  }

  private iq(type: "get" | "set", ...children: Element[]): Element {
    return xml("iq", { type, to: this.place.component }, ...children);
  }

  private readonly create = (): Element => {
    const { random } = this;
    const config = formatForm("submit", NS.PUBSUB_NODE_CONFIG, {
      "{urn:stanzapack:0}kind": random.pick(["value", "log"]),
      "pubsub#access_model": random.pick(["open", "whitelist"]),
      "{urn:stanzapack:0}compression": random.pick(["shared", "shared", "isolated"]),
      ...(random.chance(5) ? { "{urn:stanzapack:0}opaque": "1" } : {}),
      ...(random.chance(40) ? this.names.fields() : {}),
    });
    return this.iq(
      "set",
      xml("pubsub", NS.PUBSUB, xml("create", { node: this.names.node() }), xml("configure", {}, config)),
    );
  };

  private readonly subscribe = (): Element => {
    const { random, place } = this;
    const form = formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, {
      "pubsub#digest_frequency": random.pick(["0", "100", "1000", "86400000"]),
      ...(random.chance(20)
        ? { "{urn:stanzapack:0}cursor": this.names.cursor(), "{urn:stanzapack:0}credit": "100" }
        : {}),
      ...(random.chance(40) ? this.names.fields() : {}),
    });
    const options = random.chance(70) ? [xml("options", {}, form)] : [];
    return this.iq(
      "set",
      xml("pubsub", NS.PUBSUB, xml("subscribe", { node: this.names.node(), jid: place.jid }), ...options),
    );
  };

  private readonly all: readonly (() => Element)[] = [
    this.create,
    this.create,
    this.subscribe,
    this.subscribe,
    () =>
      this.iq(
        "set",
        xml(
          "pubsub",
          NS.PUBSUB,
          xml("unsubscribe", {
            node: this.names.node(),
            jid: this.random.pick([undefined, this.place.jid, this.place.jid, this.names.word()]),
            subid: this.random.pick([undefined, this.names.word()]),
          }),
        ),
      ),
    () => this.iq(this.random.pick(["get", "set"]), xml("pubsub", NS.PUBSUB, this.options())),
    () =>
      this.iq(
        "get",
        xml("cursors", { xmlns: NS.STANZAPACK, node: this.random.pick([undefined, this.names.node()]) }),
      ),
    // Only administrators may purge, and no fuzzer is one: whatever it sends, nothing is removed.
    () =>
      this.iq(
        "set",
        xml(
          "command",
          {
            xmlns: NS.COMMANDS,
            node: this.random.pick([`${NS.STANZAPACK}#purge`, this.names.word()]),
            action: this.random.pick([undefined, "execute", "complete", "cancel", this.names.word()]),
          },
          formatForm("submit", `${NS.STANZAPACK}#purge`, {
            accountjid: this.random.pick([this.place.bare, this.place.bystander.split("/")[0] ?? ""]),
            dry_run: "0",
            ...this.names.fields(),
          }),
        ),
      ),
    () =>
      this.iq(
        "set",
        xml("cursors", NS.STANZAPACK, xml("delete", { node: this.names.node(), name: this.names.cursor() })),
      ),
    () =>
      this.iq(
        "get",
        xml(
          "pubsub",
          NS.PUBSUB,
          xml(this.random.pick(["subscriptions", "affiliations", "items", "default"]), {
            node: this.random.pick([undefined, this.names.node()]),
          }),
        ),
      ),
    () =>
      this.iq(
        "set",
        xml(
          "pubsub",
          NS.PUBSUB,
          xml("publish", { node: this.names.node() }, xml("item", {}, xml("x", "urn:x"))),
        ),
      ),
    () => this.iq("set", xml("pubsub", NS.PUBSUB_OWNER, xml("delete", { node: this.names.node() }))),
    () => this.iq(this.random.pick(["get", "set"]), xml("pubsub", NS.PUBSUB_OWNER, this.configure())),
    () => this.iq(this.random.pick(["get", "set"]), xml("pubsub", NS.PUBSUB_OWNER, this.affiliations())),
    () =>
      this.iq(
        "get",
        xml("query", {
          xmlns: this.random.pick([NS.DISCO_INFO, NS.DISCO_ITEMS]),
          node: this.random.pick([undefined, this.names.node(), this.place.bare]),
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
    const form = formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, this.names.fields());
    return xml(
      "options",
      { node: this.names.node(), jid: random.pick([undefined, this.place.jid, this.names.word()]) },
      form,
    );
  }

  private configure(): Element {
    return xml(
      "configure",
      { node: this.names.node() },
      formatForm("submit", NS.PUBSUB_NODE_CONFIG, this.names.fields()),
    );
  }

  private affiliations(): Element {
    const { random } = this;
    return xml(
      "affiliations",
      { node: this.names.node() },
      ...Array.from({ length: random.below(4) }, () =>
        xml("affiliation", {
          jid: this.names.word(),
          affiliation: random.pick(["member", "none", "owner", this.names.word()]),
        }),
      ),
    );
  }

  /** Opens, data in iqs and closes, with this life's sid and with other sids. */
  private bytestream(): Element {
    const { random } = this;
    const sid = random.chance(30) ? this.place.sid : this.names.word();
    return random.pick([
      () =>
        xml("open", {
          xmlns: NS.IBB,
          sid,
          "block-size": random.pick(["4095", "65535", this.names.word()]),
          stanza: random.pick(["message", "iq"]),
        }),
      () => xml("data", { xmlns: NS.IBB, sid: this.names.word(), seq: this.names.word() }, this.names.word()),
      () => xml("close", { xmlns: NS.IBB, sid: this.names.word() }),
    ])();
  }

  private mutate(iq: Element): void {
    const { random } = this;
    const elements = [...descendants(iq)];
    if (elements.length === 0) return;
    const element = random.pick(elements);
    switch (random.below(9)) {
      case 0:
        element.attrs[random.pick(ATTRIBUTES)] = this.names.word();
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
        // The element again, up to three times.
        for (let n = random.below(4); n > 0; n--) element.parent?.append(copyOf(element));
        break;
      case 5:
        element.children = [];
        break;
      case 6:
        element.t(this.names.word());
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
          element.append(xml("field", { var: this.names.field() }, xml("value", {}, random.pick(WORDS))));
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
