import { encodeBase64, NS, xml, type Bytestream, type Element } from "@stanzapack/xmpp";
import { ALPHABET } from "./ibb-fuzz-lean.js";
import type { Model } from "./ibb-fuzz-oracle.js";
import type { Random } from "../base/random.js";

export const OWN = "c.test";
export const PEERS = ["bob@example.test/r", "eve@example.test/r", "bob@example.test/s", "c2.test", "x@y"];
export const CONDITIONS = [
  "item-not-found",
  "unexpected-request",
  "bad-request",
  "recipient-unavailable",
  "remote-server-timeout",
  "service-unavailable",
  "resource-constraint",
];

const NS_STANZAS = { xmlns: NS.STANZA_ERRORS };

/** Makes stanzas to a manager: correct ones, mutated ones, and ones that do not concern it. */
export class IbbStanzas {
  private nextId = 0;
  /** Sids that are used again and again. */
  private readonly sids = ["a", "b", "s.0.0", "x:y", "-"];

  constructor(
    private readonly random: Random,
    private readonly models: ReadonlyMap<string, Model>,
  ) {}

  /** A correct open, which the owner or the bounds may still refuse. */
  open(): Element {
    const attrs = {
      xmlns: NS.IBB,
      sid: `n${this.nextId}`,
      "block-size": this.random.pick(["9", "100", "4096"]),
      stanza: this.random.pick(["iq", "message"]),
    };
    return xml(
      "iq",
      { from: this.random.pick(PEERS), id: `q${this.nextId++}`, to: OWN, type: "set" },
      xml("open", attrs),
    );
  }

  /** The next block of a stream, correct. */
  next(): Element | undefined {
    const known = [...this.models.values()];
    if (known.length === 0) return undefined;
    const { stream, next, blockSizeBytes } = this.random.pick(known);
    const text = encodeBase64(
      new Uint8Array(this.random.below(Math.min(blockSizeBytes, 90) + 1)).fill(this.nextId),
    );
    const data = xml(
      "data",
      { xmlns: NS.IBB, sid: stream.sid, seq: String(next) },
      ...(text === "" ? [] : [text]),
    );
    const attrs = { from: stream.peer, to: OWN, id: `q${this.nextId++}` };
    return this.random.chance(50)
      ? xml("message", { ...attrs, type: "headline" }, data)
      : xml("iq", { ...attrs, type: "set" }, data);
  }

  any(): Element {
    const known = [...this.models.values()];
    const target = known.length > 0 && this.random.chance(75) ? this.random.pick(known) : undefined;
    const from = target?.stream.peer ?? this.random.pick(PEERS);
    const sid =
      target?.stream.sid ?? (this.random.chance(50) ? this.random.pick(this.sids) : `n${this.nextId}`);
    const name = this.random.pick([
      "open",
      "data",
      "data",
      "data",
      "data",
      "data",
      "close",
      "other",
    ] as const);
    const kind = this.random.pick(["message", "iq", "iq"] as const);
    const model = this.models.get(`${from} ${sid}`);
    const attrs: Record<string, string | undefined> = { xmlns: this.random.chance(97) ? NS.IBB : "urn:x" };
    if (!this.random.chance(2))
      attrs["sid"] = this.random.chance(98) ? sid : this.random.pick(["", "a b", "<", "é"]);
    let content = "";
    if (name === "open") {
      if (!this.random.chance(4))
        attrs["block-size"] = this.random.pick([
          "1",
          "9",
          "100",
          "4096",
          "4096",
          "4096",
          "65535",
          "0",
          "-1",
          "65536",
          "NaN",
        ]);
      attrs["stanza"] = this.random.pick([undefined, "iq", "message", "message", "x"]);
    } else if (name === "data") {
      const next = model?.next ?? 0;
      attrs["seq"] = this.random.chance(85)
        ? String(next)
        : this.random.pick([
            undefined,
            "",
            "x",
            "-1",
            "65536",
            "99999999999",
            " 1",
            ...[next - 1, next - 2, next + 1, 65_535].map(String),
          ]);
      content = this.random.chance(85)
        ? encodeBase64(
            new Uint8Array(this.random.below(Math.min(model?.blockSizeBytes ?? 9, 60) + 1)).fill(this.nextId),
          )
        : this.random.pick([
            "*",
            "YQ",
            "YR==",
            "=AAA",
            "YQ==YQ==",
            " YQ==",
            "AAAA".repeat(30),
            "A".repeat(6_000),
            "\u{1f600}",
          ]);
    }
    const child = xml(name, attrs, ...(content === "" ? [] : [content]));
    const type =
      kind === "iq"
        ? this.random.pick(["set", "set", "set", "set", "set", "set", "get", "error", "result", undefined])
        : this.random.pick(["headline", "headline", "chat", undefined, "error"]);
    return xml(
      this.random.chance(98) ? kind : "presence",
      {
        from: this.random.chance(97) ? from : undefined,
        id: this.random.chance(95) ? `q${this.nextId++}` : undefined,
        to: OWN,
        type,
      },
      ...(this.random.chance(5) ? [xml("delay", { xmlns: NS.DELAY })] : []),
      ...(this.random.chance(97) ? [child] : []),
    );
  }

  private tagOf(stream: Bytestream | undefined): string {
    return ALPHABET.charAt(stream?.tag ?? this.random.below(64));
  }

  /** An error about a stanza that we sent, or about nothing. Nobody may answer it, and only its own stream may end. */
  error(): Element {
    const known = [...this.models.values()];
    const target = known.length > 0 && this.random.chance(70) ? this.random.pick(known).stream : undefined;
    const from = this.random.chance(85) && target !== undefined ? target.peer : this.random.pick(PEERS);
    const sid = target?.sid ?? this.random.pick(this.sids);
    const seq = this.random.below(12);
    const error = xml(
      "error",
      { type: this.random.pick(["cancel", "wait", "wait", "modify", "nonsense"]) },
      xml(this.random.pick(CONDITIONS), NS_STANZAS),
    );
    return xml(
      this.random.pick(["message", "message", "message", "iq"]),
      {
        type: "error",
        from,
        to: OWN,
        id: this.random.pick([
          ...[undefined, `${sid}.0.${seq}`, `${sid}.1.${seq}`, "own3", "..", `${sid}.`],
          ...[`${this.tagOf(target)}AAA`, `${this.tagOf(target)}.ABC`, "AAAAA"],
        ]),
      },
      ...(this.random.chance(50)
        ? [xml("data", { xmlns: NS.IBB, sid, seq: this.random.pick([undefined, String(seq)]) })]
        : []),
      ...(this.random.chance(90) ? [error] : []),
    );
  }
}
