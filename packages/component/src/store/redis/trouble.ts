import { ErrorReply } from "@redis/client";
import { StanzapackError } from "@stanzapack/wire";
import { storeFailed } from "../base/failure.js";

/**
 * First words of Redis's errors that pass by themselves, or once an operator has helped: Redis loads its data, its
 * memory is full, its disk fails, it is a replica, replicas are missing, a script runs too long, or its programs are
 * gone.
 */
const PASSING =
  /^(LOADING|OOM|MISCONF|READONLY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOSCRIPT|UNKILLABLE)\b/;

/** First words of errors that only other settings end. */
const REFUSED = /^(WRONGPASS|NOAUTH|NOPERM)\b/;

/** First words of errors that another connection may end: after a failover, another Redis may be the primary. */
const ELSEWHERE = /^(READONLY|MASTERDOWN|NOSCRIPT)\b/;

/** Redis cannot take a command now. The same command may be sent again later. */
export class RedisAway extends Error {
  override readonly name = "RedisAway";
}

/** Returns the error of a command: `RedisAway` if the command may be sent again, otherwise `store-failed`. */
export function describeFailure(error: unknown): Error {
  if (error instanceof RedisAway || error instanceof StanzapackError) return error;
  const text = textOf(error);
  if (!(error instanceof ErrorReply) || PASSING.test(text)) return new RedisAway(text, { cause: error });
  if (REFUSED.test(text))
    return storeFailed(
      `Redis refuses the component: ${text}`,
      "Correct `store.username` and `store.passwordFile`, or the rights of this user in Redis (ACL SETUSER).",
      error,
    );
  return storeFailed(`Redis refuses a command: ${text}`, "Report this fault.", error);
}

/** Whether a new connection may help. */
export function needsNewConnection(error: unknown): boolean {
  return error instanceof ErrorReply && ELSEWHERE.test(error.message);
}

function textOf(error: unknown): string {
  const { message, code } = error as { readonly message?: string; readonly code?: unknown };
  return message === undefined || message === "" ? String(code ?? error) : message;
}
