import { createHash } from "node:crypto";
import type { DashboardSettings } from "../model/settings.js";

/**
 * Headers of every answer. The page loads nothing of other origins, runs in no frame, and connects to the XMPP server
 * alone. Without addresses in the settings that may be any server with TLS, which the JID's domain names.
 */
export function securityHeaders(
  { websocketUrl, boshUrl }: DashboardSettings,
  index: string,
): Readonly<Record<string, string>> {
  const addresses = [websocketUrl, boshUrl].filter((url) => url !== undefined);
  const servers = addresses.length === 0 ? ["wss:", "https:"] : addresses.map((url) => new URL(url).origin);
  const policy = {
    "default-src": ["'none'"],
    "script-src": ["'self'", ...inlineHashes(index)],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "connect-src": ["'self'", ...new Set(servers)],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'none'"],
  };
  return {
    "content-security-policy": Object.entries(policy)
      .map(([name, values]) => `${name} ${values.join(" ")}`)
      .join("; "),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  };
}

/** Hashes of the scripts in the page itself: its import map (Content Security Policy Level 3, §6.7.3.3). */
function inlineHashes(index: string): string[] {
  return [...index.matchAll(/<script type="importmap">([^]*?)<\/script>/g)].map(
    ([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`,
  );
}
