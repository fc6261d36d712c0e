import { XmppError } from "../base/errors.js";
import { readAnswer } from "./http-answer.web.js";

/**
 * As in `https-get.node.ts`, with the browser's `fetch`. The browser follows redirects. This function checks only the
 * last URL.
 */
export async function httpsGet(
  url: URL,
  { maxBytes }: { readonly maxBytes: number },
  signal: AbortSignal,
): Promise<string> {
  const response = await fetch(url, { signal, credentials: "omit" });
  if (!response.url.startsWith("https:")) throw new XmppError("tls", `not over HTTPS: ${response.url}`);
  if (response.status !== 200) throw new XmppError("unreachable", `HTTP status ${String(response.status)}`);
  return readAnswer(response, maxBytes);
}
