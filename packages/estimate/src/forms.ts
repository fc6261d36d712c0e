import { isDeepStrictEqual } from "node:util";
import {
  createRowCodec,
  DATA_HEADER_BYTES,
  decodeRow,
  DEFAULT_LIMITS,
  StanzapackError,
  type HopClass,
  type Value,
} from "@stanzapack/wire";
import { decodeBase64, encodeBase64, readLeanId } from "@stanzapack/xmpp";
import {
  formatDataStanza,
  formatJsonStanza,
  formatLeanStanza,
  readId,
  readPayload,
  unescapeText,
  type Envelope,
} from "./envelope.js";
import type { Item } from "./item.js";
import { blockOf, createLaneBatch, LaneReader, LaneRun } from "./lane-run.js";

/** Forms in which updates travel. Ours is the last. */
export const FORMS = ["json-body", "json-batch", "msgpack-ibb", "stanzapack"] as const;
export type Form = (typeof FORMS)[number];

/** One batch, ready to be sent. */
export interface Written {
  readonly stanza: string;
  /** The batch as a link with lean stanzas sends it; undefined: not a form of ours. */
  readonly lean: string | undefined;
}

/** Makes stanzas of batches, and reads each back. */
export interface FormWriter {
  readonly bounds: Bounds;
  /** Whether the stanza depends on the class of the hop. */
  readonly byHop: boolean;
  /** Throws `internal` if the stanza, read back, differs from what was sent. */
  write(items: readonly Item[], hop: HopClass): Written;
}

/** Bounds of one stanza. A larger batch takes several stanzas. */
export interface Bounds {
  readonly maxItems: number;
  readonly maxBytes: number;
  readonly bytesOf: (item: Item) => number;
}

/** Debian's servers take stanzas of 256 KiB; this leaves room for the envelope and for escapes. */
const MAX_JSON_BYTES = 245_760;

const packedBytes = ({ packed }: Item): number => packed.length;

/** State that the services of one link share. */
export interface LinkState {
  readonly envelope: Envelope;
  /** `seq` of the next block, by the class of the hop. A link begins with 0. */
  readonly seq: Record<HopClass, number>;
}

/** Returns the writer of one service, the `alias`th of its link. */
export function createFormWriter(form: Form, link: LinkState, alias: number): FormWriter {
  switch (form) {
    case "json-body":
    case "json-batch":
      return createJsonWriter(form, link);
    case "msgpack-ibb":
      return createMsgpackWriter(link);
    case "stanzapack":
      return createLaneWriter(link, alias);
  }
}

function createJsonWriter(form: "json-body" | "json-batch", { envelope }: LinkState): FormWriter {
  const alone = form === "json-body";
  return {
    byHop: false,
    bounds: {
      maxItems: alone ? 1 : Infinity,
      maxBytes: MAX_JSON_BYTES,
      bytesOf: ({ json }) => Buffer.byteLength(json) + 1,
    },
    write(items) {
      const texts = items.map(({ json }) => json).join(",");
      const json = alone ? texts : `[${texts}]`;
      const stanza = formatJsonStanza(json, envelope);
      check(form, JSON.stringify(JSON.parse(unescapeText(readPayload(stanza)))) === json);
      return { stanza, lean: undefined };
    },
  };
}

function createMsgpackWriter({ envelope, seq }: LinkState): FormWriter {
  const rows = createRowCodec(DEFAULT_LIMITS);
  return {
    byHop: false,
    bounds: {
      maxItems: DEFAULT_LIMITS.maxRowsPerFrame,
      maxBytes: DEFAULT_LIMITS.maxBlockBytes,
      bytesOf: packedBytes,
    },
    write(items) {
      const base64 = encodeBase64(Buffer.concat(items.map(({ packed }) => packed)));
      const stanza = formatDataStanza(base64, seq.plain++, envelope);
      const payload = decodeBase64(readPayload(stanza));
      check("msgpack-ibb", payload && equal(rows.decode({ form: "rows", payload }).map(decodeRow), items));
      return { stanza, lean: undefined };
    },
  };
}

/** Makes a lane for each class of hops: a lane chooses its form by what its bytes cost on the hop. */
function createLaneWriter({ envelope, seq }: LinkState, alias: number): FormWriter {
  const open = (hop: HopClass): ((items: readonly Item[]) => Written) => {
    const lane = new LaneRun(hop, alias);
    const reader = new LaneReader();
    let baseAt: number | undefined;
    let from = 1;
    return (items) => {
      const values = items.map(({ value }) => value);
      const first = (items[0] as Item).at;
      const last = (items[items.length - 1] as Item).at;
      baseAt ??= last;
      const at = Math.max(0, Math.round(last - baseAt));
      const batch = createLaneBatch(values, from, at, Math.max(0, Math.round(last - first)));
      from += items.length;
      const sent = lane.encode(batch, at);
      const out = blockOf(sent);
      const number = seq[hop]++;
      const stanza = formatDataStanza(out.base64, number, envelope);
      const lean = formatLeanStanza(out, number, envelope);
      const block = decodeBase64(readPayload(stanza));
      check("stanzapack", block && Buffer.compare(block, sent.frame) === 0);
      const came = lean === undefined ? block && { block, label: undefined } : readLeanId(readId(lean));
      check("stanzapack", came && equal(reader.read(came.block, came.label)?.rows, items));
      return { stanza, lean: lean ?? stanza };
    };
  };
  const lanes: Record<HopClass, (items: readonly Item[]) => Written> = {
    plain: open("plain"),
    compressed: open("compressed"),
  };
  return {
    byHop: true,
    bounds: {
      maxItems: DEFAULT_LIMITS.maxRowsPerFrame,
      maxBytes: DEFAULT_LIMITS.maxBlockBytes - DATA_HEADER_BYTES,
      bytesOf: packedBytes,
    },
    write: (items, hop) => lanes[hop](items),
  };
}

/** The order of keys counts too. */
function equal(came: readonly Value[] | undefined, sent: readonly Item[]): boolean {
  return (
    came?.length === sent.length &&
    came.every((value, index) => {
      const item = sent[index] as Item;
      return isDeepStrictEqual(value, item.value) && JSON.stringify(value) === item.json;
    })
  );
}

function check(form: Form, arrived: boolean | undefined): void {
  if (arrived !== true) throw new StanzapackError("internal", `${form}: what arrived is not what was sent`);
}
