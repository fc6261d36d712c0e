import http from "node:http";
import { dial } from "../transports/dial.node.js";
import { XmppError } from "../base/errors.js";
import { readAnswer } from "./http-answer.node.js";
import type { TlsOptions } from "../transports/stream-socket.node.js";

const MAX_REDIRECTS = 3;

/** Reads a file over HTTPS. Follows at most 3 redirects, and none away from HTTPS. Rejects with `XmppError`. */
export async function httpsGet(
  url: URL,
  options: { readonly tls: TlsOptions; readonly maxBytes: number },
  signal: AbortSignal,
): Promise<string> {
  let at = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    if (at.protocol !== "https:") throw new XmppError("tls", `not over HTTPS: ${at.href}`);
    const answer = await getOnce(at, options, signal);
    if (typeof answer === "string") return answer;
    at = answer;
  }
  throw new XmppError("protocol", "too many redirects");
}

/** Returns the text, or the URL to which the server redirects. */
async function getOnce(
  url: URL,
  { tls, maxBytes }: { readonly tls: TlsOptions; readonly maxBytes: number },
  signal: AbortSignal,
): Promise<string | URL> {
  const { socket } = await dial(url, tls, signal);
  try {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http
        .get({
          signal,
          createConnection: () => socket,
          path: url.pathname + url.search,
          headers: { Host: url.host, Connection: "close" },
        })
        .on("response", resolve)
        .on("error", reject);
    });
    const { statusCode = 0, headers } = response;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.destroy();
      if (!URL.canParse(headers.location, url.href)) throw new XmppError("protocol", "an invalid redirect");
      return new URL(headers.location, url);
    }
    if (statusCode !== 200) {
      response.destroy();
      throw new XmppError("unreachable", `HTTP status ${String(statusCode)}`);
    }
    return (await readAnswer(response, headers, maxBytes)).text;
  } finally {
    socket.destroy();
  }
}
