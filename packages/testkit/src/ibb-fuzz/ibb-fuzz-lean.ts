import { encodeBase64, formatLeanId, leanBody, NS, xml, type Element } from "@stanzapack/xmpp";
import type { Model } from "./ibb-fuzz-oracle.js";
import type { Random } from "../base/random.js";

export const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** Characters that an id has by mistake or on purpose. */
const STRANGE = [..."-_=. <&'\"\u00e9\u{1f600}", ""];
/** Differences from the number that is due. */
const OFF = [-2_048, -2_047, -3, -2, -1, 1, 2, 2_047, 2_048, 4_096];

/** Whether a stanza is lean, or looks so: a headline without content. */
export function isLean(stanza: Element): boolean {
  return (
    stanza.name === "message" &&
    stanza.attrs["type"] === "headline" &&
    stanza.children.every((child) => typeof child === "object" && child.getNS() === NS.DELAY)
  );
}

/** Makes lean stanzas for the streams that have a tag: correct ones, ones out of turn, and damaged ones. */
export function makeLean(random: Random, models: Iterable<Model>, to: string): Element | undefined {
  const tagged = [...models].filter(({ stream }) => stream.tag !== undefined);
  if (tagged.length === 0) return undefined;
  const { stream, next } = random.pick(tagged);
  const seq = random.chance(80) ? next : next + random.pick(OFF);
  const bytes = new Uint8Array(random.below(random.chance(5) ? 300 : 12)).fill(random.below(256));
  const block = {
    base64: encodeBase64(new Uint8Array(3 * random.below(5)).fill(0xc0)),
    pad: 0,
    body: random.chance(70) ? leanBody(encodeBase64(bytes)) : undefined,
    label: random.below(random.chance(80) ? 15 : 300),
  };
  let id = formatLeanId(block, stream.tag ?? 0, (seq + 65_536) % 65_536) ?? "";
  if (random.chance(15)) id = damage(random, id);
  const attrs = { from: stream.peer, to, id: id === "" ? undefined : id, type: "headline" };
  return xml(
    "message",
    attrs,
    ...(random.chance(10) ? [xml("delay", { xmlns: NS.DELAY }, "Resent")] : []),
    ...(random.chance(3) ? [xml("body", {}, "text")] : []),
  );
}

function damage(random: Random, id: string): string {
  const at = random.below(id.length + 1);
  const char = random.chance(50) ? ALPHABET.charAt(random.below(64)) : random.pick(STRANGE);
  switch (random.below(4)) {
    case 0:
      return id.slice(0, at) + char + id.slice(at + 1);
    case 1:
      return id.slice(0, at) + char + id.slice(at);
    case 2:
      return id.slice(0, at);
    default:
      return id + "A".repeat(random.below(1_200));
  }
}

/** The meaning of an id by docs/reference/protocol.md, read bit by bit. Undefined: no lean stanza has this id. */
export function readId(
  id: string,
): { readonly low: number; readonly base64: string | undefined } | undefined {
  const rest = [0, 1, undefined, 2][id.length % 4];
  const header = rest === 1 ? 2 : 3;
  if (rest === undefined || id.length > 1_024 || id.length < [4, 5, 7][rest]!) return undefined;
  const bitsOf = (text: string): string =>
    [...text].map((char) => ALPHABET.indexOf(char).toString(2).padStart(6, "0")).join("");
  const isKnown = (text: string): boolean => [...text].every((char) => ALPHABET.includes(char));
  const head = id.slice(1, 1 + header);
  if (!isKnown(head) || !isKnown(id.slice(-1)) || head.length !== header) return undefined;
  const spare = [0, 4, 2][rest]!;
  const block = id.slice(1 + header);
  // The number's twelve bits: the last bits of the header, and the spare bits.
  const bits = bitsOf(head).slice(-(12 - spare)) + (spare === 0 ? "" : bitsOf(block.slice(-1)).slice(-spare));
  const low = Number.parseInt(bits, 2);
  if (!isKnown(block)) return { low, base64: undefined };
  const whole = bitsOf(block);
  const bytes = (whole.slice(0, whole.length - spare).match(/.{8}/g) ?? []).map((byte) =>
    Number.parseInt(byte, 2),
  );
  return { low, base64: encodeBase64(Uint8Array.from(bytes)) };
}
