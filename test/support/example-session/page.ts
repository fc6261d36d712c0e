import {
  createRawDeflate,
  createRowCodec,
  decodeBlock,
  decodeRow,
  DEFAULT_LIMITS,
  encodeFrame,
  errorCodeOf,
  FRAME,
  measureValue,
  type Frame,
  type Value,
} from "@stanzapack/wire";
import {
  childElements,
  decodeBase64,
  encodeBase64,
  escapeAttribute,
  escapeText,
  NS,
  type Element,
} from "@stanzapack/xmpp";
import type { Entry } from "./party.js";
import type { Step } from "./script.js";

/** Fixed values that replace random values and times. */
const EPOCH = 0xdeadbeef;
const BASE_AT = Date.UTC(2026, 0, 1);
const PING_ID = "ping-1";
const LEAN_TAG = 5;
/** Time of position 0, in ms. The base is a day before the offer. */
const OFFERED_AT = 86_400_000;

const MAX_COLUMNS = 120;
const HEX_BYTES_PER_LINE = 32;
/** Attributes that stand first in a tag, in this order. Servers change the order of attributes. */
const ATTRIBUTES = ["xmlns", "from", "to", "type", "id", "node", "jid", "subid", "sid", "seq", "var"];

/** Names of a frame's elements after its type, by docs/reference/protocol.md. */
const ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  HELLO: ["version", "limits", "codecs", "hop", "token", "capabilities"],
  ACK: ["stanzas"],
  CREDIT: ["alias", "total"],
  DEMAND: ["alias", "subscribers", "window"],
  ERROR: ["alias", "number", "text", "retry after"],
  BYE: ["number", "text"],
  DATA_ROWS: ["alias", "range", "at", "span", "payload"],
};
const BIND_ELEMENTS: readonly (readonly string[])[] = [
  ["alias", "role", "node", "subid", "kind", "base"],
  ["alias", "role", "node", "incarnation", "sequence"],
];
/** Arrays whose elements have their own names. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  limits: ["max block", "max inflated", "max stanza"],
  range: ["epoch", "from", "to"],
};

const rowCodec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());

/** The session as the page shows it. It is the same each time it is played, and through each server. */
export function formatSession(steps: readonly Step[]): string {
  return steps
    .flatMap(({ title, text, entries }, index) => [
      `## ${index + 1}. ${title}`,
      wrap(text).join("\n"),
      ...entries.map(formatEntry),
    ])
    .join("\n\n");
}

function formatEntry({ party, direction, stanza }: Entry): string {
  const data = stanza.getChild("data", NS.IBB);
  const lines = [`${party} ${direction}:`, "", "```xml"];
  const frames = data === undefined ? undefined : readFrames(data.text(), direction);
  const blocks = frames?.map(encodeFrame);
  const base64 = blocks?.map(encodeBase64).join("");
  lines.push(
    ...formatElement(stanza, NS.CLIENT, "", (element) => (element === data && base64) || element.text()),
  );
  lines.push("```");
  if (blocks !== undefined) lines.push("", "```text", ...blocks.flatMap(formatFrame), "```");
  return lines.join("\n");
}

/**
 * Reads frames, and replaces random values. Throws if a block has other bytes than ours for the same frames: the page
 * would show bytes that were not sent.
 */
function readFrames(base64: string, direction: Entry["direction"]): Frame[] {
  const block = decodeBase64(base64) as Uint8Array;
  const frames = decodeBlock(block, DEFAULT_LIMITS);
  const again = frames.map((frame) => encodeBase64(encodeFrame(frame))).join("");
  if (again !== base64) throw new Error(`what one ${direction} is not canonical: ${base64}`);
  return direction === "sends" ? frames : frames.map(withoutChance);
}

function withoutChance(frame: Frame): Frame {
  switch (frame.type) {
    case "hello":
      return {
        ...frame,
        token: frame.token?.map((_, index) => index) ?? null,
        lean: frame.lean === null ? null : { tag: LEAN_TAG },
      };
    case "bind":
      return frame.role === "subscription" ? { ...frame, baseAt: BASE_AT } : frame;
    case "data":
      return { ...frame, epoch: EPOCH, at: OFFERED_AT + frame.to * 1_000 };
    default:
      return frame;
  }
}

/** A frame's bytes and their meaning. */
function formatFrame(bytes: Uint8Array): string[] {
  const hex = Buffer.from(bytes).toString("hex").toUpperCase();
  const lines = hex.match(new RegExp(`.{1,${HEX_BYTES_PER_LINE * 2}}`, "g")) ?? [];
  const elements = decodeRow(bytes.subarray(0, measureValue(bytes, 0, DEFAULT_LIMITS))) as readonly Value[];
  return [...lines.map((line) => line.replace(/..\B/g, "$& ")), ...wrap(formatElements(elements), "  ")];
}

function formatElements([type, ...values]: readonly Value[]): string {
  const name = Object.entries(FRAME).find(([, number]) => number === type)?.[0] ?? "";
  const names = name === "BIND" ? BIND_ELEMENTS[values[1] as number] : ELEMENTS[name];
  if (names?.length !== values.length) throw new Error(`${name} has ${values.length} elements`);
  return `${name} ${formatFields(names, values)}`;
}

function formatFields(names: readonly string[], values: readonly Value[]): string {
  return `{ ${names.map((name, i) => `${name}: ${formatValue(name, values[i] ?? null)}`).join(", ")} }`;
}

function formatValue(name: string, value: Value): string {
  const parts = PARTS[name];
  if (parts !== undefined) return formatFields(parts, value as readonly Value[]);
  if (value === null) return "nil";
  if (name === "number") return `${value as number} (${errorCodeOf(value as number)})`;
  if (Array.isArray(value))
    return `[${(value as readonly Value[]).map((item) => formatValue("", item)).join(", ")}]`;
  if (!(value instanceof Uint8Array)) return JSON.stringify(value);
  if (name !== "payload") return `h'${Buffer.from(value).toString("hex").toUpperCase()}'`;
  const rows = rowCodec.decode({ form: "rows", payload: value });
  return `rows ${rows.map((row) => JSON.stringify(decodeRow(row))).join(", ")}`;
}

/** One tag a line. A tag that is too long continues on the next line. */
function formatElement(
  element: Element,
  outerNs: string,
  indent: string,
  textOf: (element: Element) => string,
): string[] {
  // A sent element names no namespace: it has the namespace of its stream.
  const ns = (element.getNS() ?? "") || outerNs;
  const start = `${indent}<${element.getName()}${formatAttributes(element, ns === outerNs ? undefined : ns)}`;
  // ejabberd moves `<body/>` to the end.
  const isBody = (child: Element): number => Number(child.is("body"));
  const children = childElements(element).sort((one, other) => isBody(other) - isBody(one));
  if (children.length > 0)
    return [
      `${start}>`,
      ...children.flatMap((child) => formatElement(child, ns, `${indent}  `, textOf)),
      `${indent}</${element.getName()}>`,
    ];
  const text = textOf(element);
  if (text === "") return [`${start}/>`];
  const rest = `>${escapeText(text)}</${element.getName()}>`;
  return start.length + rest.length <= MAX_COLUMNS ? [start + rest] : [start, `${indent}  ${rest}`];
}

function formatAttributes(element: Element, xmlns: string | undefined): string {
  const rank = (name: string): number => (ATTRIBUTES.indexOf(name) + 100) % 100;
  const attributes: Record<string, string | undefined> = { ...element.attrs, xmlns };
  // Servers add the language of the sender's stream.
  delete attributes["xml:lang"];
  // Ids of the parties have two characters.
  if (element.is("iq") && !/^[ab]\d$/.test(attributes["id"] ?? "")) attributes["id"] = PING_ID;
  return Object.entries(attributes)
    .filter((pair): pair is [string, string] => pair[1] !== undefined)
    .sort(([one], [other]) => rank(one) - rank(other) || (one < other ? -1 : 1))
    .map(([name, value]) => ` ${name}='${escapeAttribute(value)}'`)
    .join("");
}

function wrap(text: string, indent = ""): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > MAX_COLUMNS) lines.push(indent + word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
