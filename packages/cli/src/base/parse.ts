import {
  DEFAULT_LIMITS,
  isCursorName,
  isServiceName,
  MAX_WINDOW_MS,
  isPattern,
  parseNode,
  parsePattern,
  parseSince,
  SELECTION_BOUNDS,
  unfitCharacter,
  type Since,
} from "@stanzapack/wire";
import { InvalidArgumentError } from "commander";

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** Longest time of Node's timers: 2³¹ − 1 ms, about 24 days. */
const MAX_DURATION_MS = 2_147_483_647;
/** Longest time of a call that the SDK takes, in ms. */
const MAX_CALL_MS = 600_000;

/** `100ms`, `1.5s`, `2m`, `1h` or `0`, in ms, rounded. A bare number has no unit, so it is refused. */
export function parseDuration(text: string): number {
  const durationMs = readDuration(text);
  if (durationMs > MAX_DURATION_MS) throw new InvalidArgumentError("A duration is at most 596h.");
  return durationMs;
}

/** Like `parseDuration`, but without an upper bound. */
function readDuration(text: string): number {
  if (/^0+$/.test(text)) return 0;
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const durationMs = Math.round(Number(digits) * (UNITS_MS[unit] ?? NaN));
  if (Number.isNaN(durationMs)) throw new InvalidArgumentError("Write a duration like 100ms, 1s, 2m.");
  return durationMs;
}

/** A duration as `parseDuration` reads it, in its largest whole unit. */
export function formatDuration(durationMs: number): string {
  const [unit, ms] = Object.entries(UNITS_MS).findLast(([, unitMs]) => durationMs % unitMs === 0) ?? [
    "ms",
    1,
  ];
  return durationMs === 0 ? "0" : `${durationMs / ms}${unit}`;
}

/** Like `parseDuration`, but refuses 0. */
export function parseInterval(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs === 0) throw new InvalidArgumentError("Write a duration above 0, like 100ms, 1s, 2m.");
  return durationMs;
}

/** A duration of at least 1 s, in whole seconds, rounded. It has no upper bound. */
export function parseSeconds(text: string): number {
  const seconds = Math.round(readDuration(text) / 1_000);
  if (seconds === 0) throw new InvalidArgumentError("Write a duration of at least 1s, like 90s, 2m, 720h.");
  return seconds;
}

/** A whole number above 0. */
export function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1 || !Number.isSafeInteger(count))
    throw new InvalidArgumentError("Write a whole number above 0.");
  return count;
}

/** A whole number of at least 0. */
export function parseWhole(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(count)) throw new InvalidArgumentError("Write a whole number.");
  return count;
}

/** A number of at least 0. The component checks the other bounds. */
export function parseNumber(text: string): number {
  if (!/^\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) || !Number.isFinite(Number(text)))
    throw new InvalidArgumentError("Write a number like 5 or 0.5.");
  return Number(text);
}

/** Like `parseSince`. Also takes a duration back from now by this machine's clock, to 1970 at most: `5m`, `720h`. */
export function parseSinceOption(text: string): Since {
  try {
    if (!/^\d+(\.\d+)?[a-z]+$/.test(text)) return parseSince(text);
    const agoMs = readDuration(text);
    if (agoMs > 0) return { time: Math.max(Date.now() - agoMs, 0) };
  } catch {
    // The error below names every form that is accepted.
  }
  throw new InvalidArgumentError(
    "Write `first`, EPOCH:OFFSET, a duration like 5m, or a time like 2026-11-24T12:00:00Z.",
  );
}

export function parseServiceName(text: string): string {
  if (!isServiceName(text)) throw new InvalidArgumentError("A name has 1 to 64 of a-z A-Z 0-9 . _ -");
  return text;
}

export function parseCursorName(text: string): string {
  if (!isCursorName(text)) throw new InvalidArgumentError("A name has 1 to 64 of a-z A-Z 0-9 . _ -");
  return text;
}

/** A bare JID, `carol@example.org`. The SDK prepares it, which `--help` must not load. */
export function parseAccount(text: string): string {
  if (!/^[^@/]+@[^@/]+$/.test(text)) throw new InvalidArgumentError("Write an account as user@domain.");
  return text;
}

/** A node, `alice@example.org/fleet`. */
export function parseNodeName(text: string): string {
  try {
    parseNode(text);
  } catch {
    throw new InvalidArgumentError("Write a node as user@domain/name.");
  }
  return text;
}

/** For commander's variadic arguments: collects checked nodes. */
export function collectNodes(text: string, before: readonly string[] | undefined): readonly string[] {
  try {
    if (isPattern(text)) parsePattern(text);
    else parseNode(text);
  } catch {
    throw new InvalidArgumentError(
      "Write a node as user@domain/name, a pattern as user@domain/* or user@domain/prefix*.",
    );
  }
  if (before?.includes(text)) throw new InvalidArgumentError("The node is named twice.");
  return [...(before ?? []), text];
}

/** A node of one service. */
export function parseNodeArgument(text: string): string {
  try {
    parseNode(text);
  } catch {
    throw new InvalidArgumentError("Write a node as user@domain/name.");
  }
  return text;
}

/** The name of a method. */
export function parseMethod(text: string): string {
  if (text === "" || text.length > DEFAULT_LIMITS.maxMethodChars || unfitCharacter(text) !== undefined)
    throw new InvalidArgumentError("A method has 1 to 64 characters.");
  return text;
}

/** Like `parseInterval`, but at most the longest time of a call. */
export function parseCallTimeout(text: string): number {
  const timeoutMs = parseInterval(text);
  if (timeoutMs > MAX_CALL_MS) throw new InvalidArgumentError("A call takes at most 10m.");
  return timeoutMs;
}

/** Like `parseDuration`, but at most the largest window, a day. */
export function parseWindow(text: string): number {
  const windowMs = parseDuration(text);
  if (windowMs > MAX_WINDOW_MS) throw new InvalidArgumentError("A window is at most a day (24h).");
  return windowMs;
}

/** `alice@example.org`, without a resource. The server prepares and checks the rest. */
export function parseBareJid(text: string): string {
  if (!/^[^@/]+@[^@/\s]+$/.test(text)) throw new InvalidArgumentError("Write a JID as user@domain.");
  return text;
}

/** For commander's variadic options: collects checked JIDs. */
export function collectMembers(jid: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), parseBareJid(jid)];
}

/** A key of a map, or its beginning. */
export function parseKey(text: string): string {
  const { maxKeyChars } = SELECTION_BOUNDS;
  if (text === "" || text.length > maxKeyChars || unfitCharacter(text) !== undefined)
    throw new InvalidArgumentError(`A key has 1 to ${maxKeyChars} characters that XML can carry.`);
  return text;
}

/** For commander's variadic options: collects checked keys. */
export function collectKeys(text: string, before: readonly string[] | undefined): readonly string[] {
  const keys = [...new Set([...(before ?? []), parseKey(text)])];
  const { maxKeys } = SELECTION_BOUNDS;
  if (keys.length > maxKeys)
    throw new InvalidArgumentError(`There are more than ${maxKeys} keys: use --prefix.`);
  return keys;
}

/** For an option with several values, separated by commas. An option that is given twice has the values of both. */
export function listOf<T>(
  parse: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => T[] {
  return (text, before) => [...(before ?? []), ...text.split(",").map((item) => parse(item.trim()))];
}
