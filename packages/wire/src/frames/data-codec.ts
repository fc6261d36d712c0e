import { assertNever, StanzapackError } from "../base/errors.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { NIL } from "../msgpack/msgpack.js";
import { measureValue } from "../msgpack/msgpack-measure.js";
import { encodeElements } from "../msgpack/update.js";
import { MAX_UINT32, millis, uint } from "./frame-elements.js";
import {
  FRAME,
  MAX_ALIAS,
  type CodedBody,
  type CodedForm,
  type DataForm,
  type DataFrame,
  type SnapshotForm,
  type SnapshotFrame,
} from "./frames.js";

/** Frame type of each form of DATA in rows. */
export const FORM_TYPE: Record<DataForm, number> = { rows: FRAME.DATA_ROWS, deflated: FRAME.DATA_DEFLATED };

/** Frame type of each coded form, and the number of elements of its array. */
const CODED: Record<CodedForm, { readonly type: number; readonly elements: number }> = {
  chained: { type: FRAME.CODED_CHAINED, elements: 3 },
  wide: { type: FRAME.CODED_WIDE, elements: 7 },
  key: { type: FRAME.CODED_KEY, elements: 6 },
  map: { type: FRAME.CODED_MAP, elements: 6 },
  independent: { type: FRAME.CODED_INDEPENDENT, elements: 5 },
};

/** Elements of a DATA array: type, alias, [epoch, from, to], at, span, payload. */
const DATA_ELEMENTS = 6;
/** Elements of a SNAPSHOT array: type, alias, epoch, from, to, begins, left, form, payload. */
const SNAPSHOT_ELEMENTS = 9;
/** Forms of the payload of SNAPSHOT, by their number. */
export const SNAPSHOT_FORMS = ["rows", "coded"] as const satisfies readonly SnapshotForm[];

/**
 * Returns the part of a DATA frame that differs between links: array header, type, alias. It has three bytes up to
 * alias 127. Above, it has six (the type as uint 8, the alias as uint 16), so that its base64 can be concatenated too.
 */
export function encodeDataPrefix(form: DataForm, alias: number): Uint8Array {
  return encodePrefix(DATA_ELEMENTS, FORM_TYPE[form], alias);
}

/** As `encodeDataPrefix`, for a coded frame. */
export function encodeCodedPrefix(form: CodedForm, alias: number): Uint8Array {
  return encodePrefix(CODED[form].elements, CODED[form].type, alias);
}

/** As `encodeDataPrefix`, for SNAPSHOT. */
export function encodeSnapshotPrefix(alias: number): Uint8Array {
  return encodePrefix(SNAPSHOT_ELEMENTS, FRAME.SNAPSHOT, alias);
}

function encodePrefix(elements: number, type: number, alias: number): Uint8Array {
  uint(alias, "alias", MAX_ALIAS);
  const header = 0x90 | elements;
  return alias < 0x80
    ? Uint8Array.of(header, type, alias)
    : Uint8Array.of(header, 0xcc, type, 0xcd, alias >> 8, alias & 0xff);
}

/**
 * Returns the part of a coded frame that all links of a lane share, padded. Throws `limit-exceeded` for a payload that
 * fits no block.
 */
export function encodeCodedBody(body: CodedBody): Uint8Array {
  return encodeBody(codedElements(body), body.payload);
}

function codedElements(body: CodedBody): readonly unknown[] {
  switch (body.form) {
    case "chained":
      return [];
    case "wide":
      return [
        uint(body.chain, "chain", MAX_UINT32),
        uint(body.epoch, "epoch"),
        uint(body.from, "from"),
        uint(body.check, "check", MAX_UINT32),
      ];
    case "key":
    case "map":
      return [uint(body.chain, "chain", MAX_UINT32), uint(body.epoch, "epoch"), uint(body.from, "from")];
    case "independent":
      return [uint(body.epoch, "epoch"), uint(body.from, "from")];
    default:
      return assertNever(body);
  }
}

export type DataBodyFields = Omit<DataFrame, "type" | "alias">;

/**
 * Returns the part of a DATA frame that all links of a lane share, padded. Throws `limit-exceeded` for a payload that
 * fits no block.
 */
export function encodeDataBody(data: DataBodyFields): Uint8Array {
  if (data.from < 1 || data.from > data.to)
    throw new StanzapackError("internal", `the range ${data.from}..${data.to} is empty or begins at 0`);
  const range = [uint(data.epoch, "epoch"), uint(data.from, "from"), uint(data.to, "to")];
  return encodeBody([range, millis(data.at), millis(data.spanMs)], data.payload);
}

export type SnapshotBodyFields = Omit<SnapshotFrame, "type" | "alias">;

/**
 * Returns the part of a SNAPSHOT frame that several links can share, padded. Throws `limit-exceeded` for a payload that
 * fits no block.
 */
export function encodeSnapshotBody(body: SnapshotBodyFields): Uint8Array {
  const { from, to, begins } = body;
  if (from < 1 || from > to + 1 || (begins && from !== 1))
    throw new StanzapackError("internal", `SNAPSHOT cannot have the range ${from}..${to}`);
  const range = [uint(body.epoch, "epoch"), uint(from, "from"), uint(to, "to")];
  return encodeBody(
    [...range, begins ? 1 : 0, uint(body.left, "left"), SNAPSHOT_FORMS.indexOf(body.form)],
    body.payload,
  );
}

function encodeBody(elements: readonly unknown[], payload: Uint8Array): Uint8Array {
  const { length } = payload;
  if (length > 0xffff)
    throw new StanzapackError("limit-exceeded", `a payload of ${length} bytes fits no block`);
  const head = encodeElements(elements);
  const binHead = length < 0x100 ? [0xc4, length] : [0xc5, length >> 8, length & 0xff];
  // Without the array header of `head`: its elements continue the array that the prefix began.
  const size = head.length - 1 + binHead.length + length;
  const body = new Uint8Array(Math.ceil(size / 3) * 3).fill(NIL, size);
  body.set(head.subarray(1));
  body.set(binHead, head.length - 1);
  body.set(payload, head.length - 1 + binHead.length);
  return body;
}

/** As `padOf`, for a body that `encodeDataBody`, `encodeCodedBody` or `encodeSnapshotBody` returned. */
export function padOfBody(form: DataForm | CodedForm | "snapshot", body: Uint8Array): number {
  // Type and alias are in the prefix.
  let left = elementsOf(form) - 2;
  let at = 0;
  while (left-- > 0) at = measureValue(body, at, DEFAULT_LIMITS);
  return body.length - at;
}

function elementsOf(form: DataForm | CodedForm | "snapshot"): number {
  if (form === "snapshot") return SNAPSHOT_ELEMENTS;
  return form === "rows" || form === "deflated" ? DATA_ELEMENTS : CODED[form].elements;
}
