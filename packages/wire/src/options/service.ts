import { StanzapackError } from "../base/errors.js";

/** Kind of a service. It decides what may be dropped under pressure: see docs/background/architecture.md. */
export type ServiceKind = "value" | "log" | "map";

export const SERVICE_KINDS = ["value", "log", "map"] as const satisfies readonly ServiceKind[];

/** Name of a service. It is bounded, and has no `/`: the last `/` of a node id stands before the name. */
const SERVICE_NAME = /^[A-Za-z0-9._-]{1,64}$/;

export interface NodeId {
  /** Bare JID of the publisher, prepared. */
  readonly owner: string;
  readonly name: string;
}

export function isServiceName(name: string): boolean {
  return SERVICE_NAME.test(name);
}

export function formatNode(node: NodeId): string {
  return `${node.owner}/${node.name}`;
}

/** Splits `alice@example.org/temp`. Throws `bad-name`. */
export function parseNode(text: string): NodeId {
  const slash = text.lastIndexOf("/");
  const owner = text.slice(0, Math.max(slash, 0));
  const name = text.slice(slash + 1);
  if (slash <= 0 || owner.includes("/") || !isServiceName(name)) {
    throw new StanzapackError("bad-name", `\`${text.slice(0, 120)}\` is not a node id`);
  }
  return { owner, name };
}

/** All services of one publisher whose name begins with `prefix`. */
export interface NodePattern {
  /** Bare JID of the publisher, prepared. */
  readonly owner: string;
  /** Beginning of the names, 0 to 64 characters. Empty: all services of the publisher. */
  readonly prefix: string;
}

/** Whether the text is meant as a pattern: a node id has no `*`. */
export function isPattern(text: string): boolean {
  return text.endsWith("*");
}

/** Splits `alice@example.org/t*`, or `alice@example.org/*`. Throws `bad-name`. */
export function parsePattern(text: string): NodePattern {
  const nameAt = text.lastIndexOf("/") + 1;
  const prefix = text.slice(nameAt, -1);
  try {
    if (isPattern(text) && (prefix === "" || isServiceName(prefix)))
      return { owner: parseNode(`${text.slice(0, nameAt)}x`).owner, prefix };
  } catch {
    // Told below, as it was written.
  }
  throw new StanzapackError("bad-name", `\`${text.slice(0, 120)}\` is neither a node id nor a pattern`);
}

/** Whether the pattern covers the node. */
export function matchesPattern({ owner, prefix }: NodePattern, node: NodeId): boolean {
  return node.owner === owner && node.name.startsWith(prefix);
}

/** Largest window, requested or granted, in ms: one day. */
export const MAX_WINDOW_MS = 86_400_000;

/**
 * Returns the window that is granted for the requested one: the next rung at or above it, so that subscribers share
 * lanes. The rungs are 0 and 100 × {1, 2, 5, 10, 20, 50, …} ms, and the last one is a day. A granted window is
 * granted again unchanged. Throws `invalid-options` for a number that is not from 0 to a day.
 */
export function grantWindow(askedMs: number): number {
  if (!Number.isFinite(askedMs) || askedMs < 0 || askedMs > MAX_WINDOW_MS) {
    throw new StanzapackError(
      "invalid-options",
      `a window of ${askedMs} ms is not between 0 and ${MAX_WINDOW_MS}`,
    );
  }
  if (askedMs === 0) return 0;
  let decade = 100;
  for (;;) {
    for (const step of [1, 2, 5]) if (decade * step >= askedMs) return Math.min(decade * step, MAX_WINDOW_MS);
    decade *= 10;
  }
}
