import { ERRORS, StanzapackError, type ErrorCode, type ErrorRow } from "@stanzapack/wire";
import { NS, StanzaError, XmppError, type XmppErrorCode } from "@stanzapack/xmpp";

const FROM_XMPP: Record<XmppErrorCode, ErrorCode> = {
  auth: "auth-failed",
  conflict: "conflict",
  timeout: "timeout",
  unreachable: "unreachable",
  tls: "tls-failed",
  unsupported: "unsupported",
  protocol: "protocol",
  disconnected: "disconnected",
  stopped: "stopped",
  aborted: "aborted",
};

/** Conditions that a server answers with when nobody is behind the component's domain. */
const NOBODY_THERE = new Set(["remote-server-not-found", "remote-server-timeout", "recipient-unavailable"]);

/** Our codes by what identifies them in a stanza error; XEP-0060's own condition decides where there is one. */
const BY_CONDITION = new Map<string, ErrorCode>();
for (const [code, row] of Object.entries(ERRORS) as [ErrorCode, ErrorRow][]) {
  if (row.scope === "link" && row.pubsub === undefined) continue;
  const key = row.pubsub ?? row.condition;
  if (!BY_CONDITION.has(key)) BY_CONDITION.set(key, code);
}
// What the component says without the application condition of the code's row.
BY_CONDITION.set("feature-not-implemented", "unsupported");
BY_CONDITION.set("unsupported-access-model", "unsupported");
BY_CONDITION.set("jid-required", "jid-mismatch");

/** Any failure as the one error class; `doing` begins the text: "subscribing to `alice@…/temp`". */
export function toStanzapackError(error: unknown, doing: string): StanzapackError {
  if (error instanceof StanzapackError) return error;
  if (error instanceof XmppError)
    return new StanzapackError(FROM_XMPP[error.code], `${doing}: ${error.message}`, {
      origin: "transport",
      cause: error,
    });
  if (error instanceof StanzaError) return fromStanzaError(error, doing);
  return new StanzapackError(
    "internal",
    `${doing}: ${error instanceof Error ? error.message : String(error)}`,
    { cause: error },
  );
}

function fromStanzaError(error: StanzaError, doing: string): StanzapackError {
  const details = { origin: "peer", cause: error } as const;
  // The component's text already says what happened and what to do.
  const text = withoutMend(error.text === "" ? error.condition : error.text);
  if (error.application !== undefined) {
    const code = BY_CONDITION.get(error.application.name);
    if (code !== undefined) return new StanzapackError(code, `${doing}: ${text}`, details);
  }
  if (
    NOBODY_THERE.has(error.condition) ||
    (error.condition === "service-unavailable" && error.application === undefined)
  ) {
    return new StanzapackError(
      "component-unavailable",
      `${doing}: the server found nobody there (${error.condition})`,
      details,
    );
  }
  if (error.condition === "resource-constraint" && error.type === "wait")
    return new StanzapackError("busy", `${doing}: ${text}`, { ...details, ...retryAfter(error) });
  if (error.condition === "resource-constraint")
    return new StanzapackError("limit-exceeded", `${doing}: ${text}`, { ...details, scope: "subscription" });
  return new StanzapackError(BY_CONDITION.get(error.condition) ?? "internal", `${doing}: ${text}`, details);
}

/** No longer is waited for anybody's word: twice what our component tells. */
const MAX_RETRY_AFTER_MS = 600_000;

function retryAfter({ application }: StanzaError): { readonly retryAfterMs?: number } {
  if (application?.name !== "retry-after" || application.xmlns !== NS.STANZAPACK) return {};
  const ms = Number(application.attrs?.["ms"]);
  return ms >= 0 ? { retryAfterMs: Math.min(ms, MAX_RETRY_AFTER_MS) } : {};
}

function withoutMend(text: string): string {
  for (const { mend } of Object.values(ERRORS))
    if (text.endsWith(`. ${mend}`)) return text.slice(0, -mend.length - 2);
  return text;
}
