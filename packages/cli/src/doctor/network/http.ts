import http from "node:http";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";

/** Most bytes of an answer that are read. Host-meta files and BOSH's first answers have a few hundred. */
const MAX_BYTES = 65_536;

export interface HttpReply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** As received: compressed, if the server compresses. */
  readonly body: Buffer;
}

export interface HttpOptions {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly ca?: string | undefined;
  /** A second name that the certificate may have: the XMPP domain (XEP-0156 §3). */
  readonly domain?: string;
}

/** One HTTP request on its own connection. Follows no redirect. Rejects with Node's error or the signal's reason. */
export function requestOnce(
  url: URL,
  { method = "GET", headers = {}, body, ca, domain }: HttpOptions,
  signal: AbortSignal,
): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const options: https.RequestOptions = {
      ...{ method, signal, agent: false },
      headers: { ...headers, ...(body !== undefined && { "content-length": Buffer.byteLength(body) }) },
      ...(ca !== undefined && { ca: [...tls.rootCertificates, ca] }),
      checkServerIdentity: (host, certificate) => {
        const fault = tls.checkServerIdentity(host, certificate);
        if (fault === undefined || domain === undefined || net.isIP(domain) !== 0) return fault;
        return tls.checkServerIdentity(domain, certificate) && fault;
      },
    };
    const client = url.protocol === "https:" ? https : http;
    const request = client.request(url, options, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > MAX_BYTES) request.destroy(new Error(`the answer has over ${MAX_BYTES} bytes`));
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

const MAX_REDIRECTS = 3;

/** Reads a file by HTTPS. Follows redirects as clients do: at most 3, and none away from HTTPS. */
export async function readByHttps(url: URL, options: HttpOptions, signal: AbortSignal): Promise<string> {
  let at = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    if (at.protocol !== "https:") throw new Error(`a redirect away from HTTPS: ${at.href}`);
    const { status, headers, body } = await requestOnce(at, options, signal);
    if (status === 200) return body.toString();
    const { location } = headers;
    if (status < 300 || status >= 400 || location === undefined) throw new Error(`HTTP status ${status}`);
    if (!URL.canParse(location, at.href)) throw new Error("an invalid redirect");
    at = new URL(location, at);
  }
  throw new Error("too many redirects");
}
