import { StanzapackError } from "../base/errors.js";
import {
  CHECKSUM_BYTES,
  depthOfRange,
  DIFFERING_BYTES,
  hasParts,
  PART_SUMS_BYTES,
} from "../digest/range-digest.js";
import { SNAPSHOT_FORMS } from "./data-codec.js";
import { uint } from "./frame-elements.js";
import type { FrameFields } from "./frame-fields.js";
import { FRAME, MAX_ALIAS, type DigestFrame, type RepairFrame } from "./frames.js";

/** Most ranges of one REPAIR. 16: the parts of one range. */
export const MAX_REPAIR_RANGES = 16;

/** Returns the elements of DIGEST. Throws `internal` for a range or checksums that no peer would accept. */
export function digestElements({
  alias,
  epoch,
  position,
  range,
  intervalMs,
  sums,
}: DigestFrame): readonly unknown[] {
  if (!fits(range, sums))
    throw new StanzapackError("internal", `DIGEST of the range ${range} with ${sums.length} bytes`);
  return [
    ...[FRAME.DIGEST, uint(alias, "alias", MAX_ALIAS), uint(epoch, "epoch"), uint(position, "position")],
    ...[range, uint(intervalMs, "intervalMs"), sums],
  ];
}

/** Returns the elements of REPAIR. Throws `internal` for ranges that no peer would accept. */
export function repairElements(frame: RepairFrame): readonly unknown[] {
  const alias = uint(frame.alias, "alias", MAX_ALIAS);
  const ranges = frame.role === "request" ? frame.ranges : [frame.range];
  if (ranges.length > MAX_REPAIR_RANGES || ranges.some((range) => depthOfRange(range) === undefined))
    throw new StanzapackError("internal", `REPAIR of the ranges ${ranges.join(", ")}`);
  if (frame.role === "request") {
    if (frame.sums !== null && !describes(frame.sums, ranges))
      throw new StanzapackError(
        "internal",
        `REPAIR of ${ranges.length} ranges with ${frame.sums.length} bytes`,
      );
    return [FRAME.REPAIR, alias, 0, ranges, frame.sums];
  }
  const { epoch, position, range, form, payload } = frame;
  return [
    ...[FRAME.REPAIR, alias, 1, uint(epoch, "epoch"), uint(position, "position")],
    ...[range, SNAPSHOT_FORMS.indexOf(form), payload],
  ];
}

function fits(range: number, sums: Uint8Array): boolean {
  if (depthOfRange(range) === undefined) return false;
  if (sums.length === CHECKSUM_BYTES) return true;
  return hasParts(range) && (sums.length === PART_SUMS_BYTES || sums.length === DIFFERING_BYTES);
}

/** Whether these are the sums of the parts of a request's only range. */
function describes(sums: Uint8Array, [range, ...others]: readonly number[]): boolean {
  return sums.length === PART_SUMS_BYTES && range !== undefined && others.length === 0 && hasParts(range);
}

/** Reads DIGEST; the caller checks that the frame ends there. Throws `malformed` or `limit-exceeded`. */
export function decodeDigest(f: FrameFields): DigestFrame {
  f.name = "DIGEST";
  const [alias, epoch, position] = [f.alias(), f.uint(), f.uint()];
  const range = readRange(f, f.uint());
  const [intervalMs, sums] = [f.uint(), f.bytesWithin(PART_SUMS_BYTES)];
  if (!fits(range, sums)) throw f.wrong(`${sums.length} bytes are no checksums of the range ${range}`);
  return { type: "digest", alias, epoch, position, range, intervalMs, sums };
}

/** Reads REPAIR; the caller checks that the frame ends there. Throws `malformed` or `limit-exceeded`. */
export function decodeRepair(f: FrameFields): RepairFrame {
  f.name = "REPAIR";
  const alias = f.alias();
  if (f.uint(1) === 0) {
    const ranges = f.list(MAX_REPAIR_RANGES, Number.MAX_SAFE_INTEGER);
    for (const range of ranges) readRange(f, range);
    if (new Set(ranges).size < ranges.length) throw f.wrong("a range comes twice");
    const sums = f.bytesOrNil(PART_SUMS_BYTES);
    if (sums !== null && !describes(sums, ranges)) throw f.wrong("these are no sums of one range alone");
    return { type: "repair", role: "request", alias, ranges, sums };
  }
  const [epoch, position] = [f.uint(), f.uint()];
  const range = readRange(f, f.uint());
  return {
    ...{ type: "repair", role: "entries", alias, epoch, position, range },
    ...{ form: f.oneOf(SNAPSHOT_FORMS), payload: f.bytes() },
  };
}

function readRange(f: FrameFields, range: number): number {
  if (depthOfRange(range) === undefined) throw f.wrong(`${range} is no range of keys`);
  return range;
}
