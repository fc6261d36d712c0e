import type { TransportKind } from "./transport.js";

/** Where and how to connect. */
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

/** The URL, its host in ASCII; undefined when it is none. */
function parseUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  // Of schemes that it does not know, URL keeps a host as it is, in percent-encoding.
  if (url.protocol !== "xmpp:" && url.protocol !== "xmpps:") return url;
  const known = `http://${url.hostname}`;
  if (!URL.canParse(known)) return undefined;
  url.hostname = new URL(known).hostname;
  return url;
}

/** Where to connect to over TCP, and whether TLS is spoken from the first byte (XEP-0368). */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly directTls: boolean;
}

export function toTarget(url: URL): Target {
  const directTls = url.protocol === "xmpps:";
  return { host: hostOf(url), port: Number(url.port || (directTls ? 5223 : 5222)), directTls };
}

/** The address that a record of the domain's names; `undefined` when no address can be like that. */
export function toTcpService(host: string, port: number, directTls: boolean): Service | undefined {
  const text = `${directTls ? "xmpps" : "xmpp"}://${hostInUrl(host)}:${String(port)}`;
  return URL.canParse(text) ? { transport: "tcp", url: new URL(text) } : undefined;
}

/** A host as it stands in a URL: an IPv6 address in brackets. */
export function hostInUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Without the brackets in which an IPv6 address stands. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

/** What is sent there does not leave this machine. */
export function isLoopback(url: URL): boolean {
  return isLoopbackHost(url.hostname);
}

/** As `isLoopback`, of a name or an address alone. */
export function isLoopbackHost(host: string): boolean {
  return /^(?:localhost\.?|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[?::1\]?|\[?::ffff:127\.\d{1,3}\.\d{1,3}\.\d{1,3}\]?)$/i.test(
    host,
  );
}

/** Whether the connection is encrypted, or can be on the way (STARTTLS), or needs it not. */
export function canBeSecure({ transport, url }: Service): boolean {
  return transport === "tcp" || url.protocol === "wss:" || url.protocol === "https:" || isLoopback(url);
}
