import { StanzapackError } from "@stanzapack/wire";
import { StanzaError } from "@stanzapack/xmpp";
import type { ComponentStats } from "./stats.js";

/**
 * Most different reasons that are counted apart. All errors of our own are fewer. A condition that a peer made up
 * counts as `other` beyond them.
 */
const MAX_REASONS = 64;
/** Most characters that are kept of a refusal's sentence. */
const MAX_TEXT = 200;

/**
 * Counts one refusal of this JID under its reason: the code of our errors, the condition of a stanza error
 * (RFC 6120 §8.3.3), and `internal` for everything else.
 */
export function countRefusal(stats: ComponentStats, jid: string, error: unknown): void {
  stats.refusals++;
  const { refusedFor } = stats;
  const reason = reasonOf(error);
  stats.lastRefused = { jid, reason, text: textOf(error).slice(0, MAX_TEXT) };
  const isCounted = reason in refusedFor || Object.keys(refusedFor).length < MAX_REASONS;
  const name = isCounted ? reason : "other";
  refusedFor[name] = (refusedFor[name] ?? 0) + 1;
}

function reasonOf(error: unknown): string {
  if (error instanceof StanzapackError) return error.code;
  return error instanceof StanzaError ? error.condition : "internal";
}

function textOf(error: unknown): string {
  if (error instanceof StanzapackError) return error.text;
  return error instanceof Error ? error.message : String(error);
}
