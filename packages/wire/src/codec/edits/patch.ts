import { concatBytes } from "../../base/bytes.js";
import { malformed } from "../../msgpack/msgpack.js";
import type { Hunk } from "./alignment.js";
import type { BitCoder } from "../coder/bit-coder.js";
import { takeValues, type ValueBudget } from "../coder/bounds.js";
import { TEXT_CONTEXTS, type TextCodec } from "../texts/text-codec.js";
import { codeWhole } from "../coder/whole-number.js";

/** Least length of a text, or of bytes, that is patched. Shorter ones are kept in dictionaries, or cost little. */
export const MIN_PATCHED_UNITS = 256;

/** Contexts, from an `id` on. */
const STEP = 0;
const REMOVED = 1;
const AT = 2;
const TEXT = 3;
export const PATCH_CONTEXTS = TEXT + TEXT_CONTEXTS;

/** Places of the slots of STEP. */
const MORE = 1;
const FROM_END = 2;

/** Hunks of one patch that have contexts of their own; later ones share the last. */
const MOST_STEPS = 3;

/** The parts of a codec that a patch needs. */
export interface PatchContext extends ValueBudget {
  readonly coder: BitCoder;
  readonly text: TextCodec;
}

/**
 * Codes a text, or bytes, as `old` with some parts replaced, and returns it. `hunks`: the replaced parts from front to
 * end, when encoding. Texts are measured in UTF-16 code units. Throws `malformed` for bits that no encoder writes.
 */
export function codePatch<T extends string | Uint8Array>(
  context: PatchContext,
  id: number,
  column: number,
  old: T,
  next: T | undefined,
  hunks: readonly Hunk[],
): T {
  const { coder, text } = context;
  const { contexts } = coder;
  const parts: T[] = [];
  let from = 0;
  let at = 0;
  for (let i = 0; ; i++) {
    const hunk = hunks[i];
    const slot = contexts.slot(id + STEP, Math.min(i, MOST_STEPS));
    if (coder.bit(hunk === undefined ? 0 : 1, slot + MORE) === 0) break;
    takeValues(context, coder, 1);
    const removed = codeWhole(coder, hunk?.removed ?? 0, id + REMOVED, 0);
    const room = old.length - from - removed;
    if (room < 0) throw malformed("a coded patch takes away more than there is");
    const kept = codeDistance(coder, id, i, (hunk?.at ?? from) - from, room);
    at += kept;
    const given = hunk === undefined ? undefined : (next?.slice(at, at + hunk.inserted) as T);
    const inserted = codePart(text, id, column, old, given);
    if (removed === 0 && inserted.length === 0) throw malformed("a coded patch changes nothing");
    at += inserted.length;
    parts.push(old.slice(from, from + kept) as T, inserted);
    from += kept + removed;
  }
  parts.push(old.slice(from) as T);
  return joined(parts, old);
}

/**
 * Codes the distance to hunk `i`, within the `room` that is left. It counts from the end of the room if that is nearer.
 */
function codeDistance(coder: BitCoder, id: number, i: number, kept: number, room: number): number {
  const slot = coder.contexts.slot(id + STEP, Math.min(i, MOST_STEPS));
  const isFromEnd = coder.bit(room - kept < kept ? 1 : 0, slot + FROM_END);
  const away = codeWhole(coder, isFromEnd === 1 ? room - kept : kept, id + AT, isFromEnd);
  if (away > room) throw malformed("a coded patch begins behind the end");
  return isFromEnd === 1 ? room - away : away;
}

function codePart<T extends string | Uint8Array>(
  text: TextCodec,
  id: number,
  column: number,
  old: T,
  given: T | undefined,
): T {
  if (typeof old === "string") return text.codeText((given ?? "") as string, id + TEXT, column) as T;
  return text.codeBytes((given ?? NOTHING) as Uint8Array, id + TEXT, column) as T;
}

function joined<T extends string | Uint8Array>(parts: readonly T[], old: T): T {
  if (typeof old === "string") return parts.join("") as T;
  return concatBytes(parts as readonly Uint8Array[]) as Uint8Array as T;
}

const NOTHING = new Uint8Array(0);
