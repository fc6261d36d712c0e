import type { TransportKind } from "./transport.js";

/** Address and transport of a server. */
export interface Service {
  readonly transport: TransportKind;
  readonly url: URL;
}

const TRANSPORTS: Readonly<Record<string, TransportKind>> = {
  "xmpp:": "tcp",
  "xmpps:": "tcp",
  "ws:": "websocket",
  "wss:": "websocket",
  "http:": "bosh",
  "https:": "bosh",
};

/** Throws `TypeError` for anything but the addresses that `ClientConnectionOptions.url` names. */
export function parseServiceUrl(text: string): Service {
  const url = parseUrl(text);
  const transport = url && TRANSPORTS[url.protocol];
  const usable = url !== undefined && url.hostname !== "" && url.username === "" && url.password === "";
  if (!usable || transport === undefined) {
    throw new TypeError(
      `not a service address: ${JSON.stringify(text)} ` +
        "(xmpp://host:port, xmpps://host:port, wss://host/path or https://host/path)",
    );
  }
  return { transport, url };
}

/** Returns the URL, with its host in ASCII; undefined when `text` is no URL. */
function parseUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  // For schemes that `URL` does not know, it only percent-encodes the host.
  if (url.protocol !== "xmpp:" && url.protocol !== "xmpps:") return url;
  const known = `http://${url.hostname}`;
  if (!URL.canParse(known)) return undefined;
  url.hostname = new URL(known).hostname;
  return url;
}

/** Host and port of a TCP connection, and whether the connection begins with TLS (XEP-0368). */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly directTls: boolean;
}

/** Reads an address `xmpp://host:port` or `xmpps://host:port`. The default ports are 5222 and 5223. */
export function toTarget(url: URL): Target {
  const directTls = url.protocol === "xmpps:";
  return { host: hostOf(url), port: Number(url.port || (directTls ? 5223 : 5222)), directTls };
}

/** Makes the service that an SRV record names; `undefined` when the record's host cannot be part of a URL. */
export function toTcpService(host: string, port: number, directTls: boolean): Service | undefined {
  const text = `${directTls ? "xmpps" : "xmpp"}://${hostInUrl(host)}:${String(port)}`;
  return URL.canParse(text) ? { transport: "tcp", url: new URL(text) } : undefined;
}

/** Writes a host as in a URL: an IPv6 address in brackets. */
export function hostInUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The host of a URL, without the brackets around an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

/** Whether the host is this machine, so that data sent there do not leave the machine. */
export function isLoopback(url: URL): boolean {
  return isLoopbackHost(url.hostname);
}

/** As `isLoopback`, for a name or an address alone. */
export function isLoopbackHost(host: string): boolean {
  return /^(?:localhost\.?|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[?::1\]?|\[?::ffff:127\.\d{1,3}\.\d{1,3}\.\d{1,3}\]?)$/i.test(
    host,
  );
}

/** Whether the connection is encrypted, can change to TLS (STARTTLS), or stays on this machine. */
export function canBeSecure({ transport, url }: Service): boolean {
  return transport === "tcp" || url.protocol === "wss:" || url.protocol === "https:" || isLoopback(url);
}
