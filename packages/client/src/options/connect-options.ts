import { grantWindow, StanzapackError } from "@stanzapack/wire";
import type { ClientConnectionOptions } from "@stanzapack/xmpp";
import { readAccount, readDomain, readResource } from "../base/addresses.js";
import { checked } from "./option-checks.js";

export interface ConnectOptions {
  /**
   * Bare JID to log in as: `bob@example.org`, in any spelling that the server accepts. Write the domain in its own
   * letters, `münchen.example`, and not as `xn--mnchen-3ya.example`, unless the server is configured with that form.
   * Throws `invalid-options` if the text is no bare JID.
   */
  readonly jid: string;
  readonly password: string;
  /** Domain of the Stanzapack component: `streams.example.org`. If it has several nodes, of one of them. */
  readonly component?: string | undefined;
  /**
   * Several nodes of one component instead of `component`, tried in this order until one answers. After that, the node
   * says which others there are, and the client goes on at one of them when its node fails or stops.
   */
  readonly components?: readonly string[] | undefined;
  /**
   * Address to connect to: `xmpp://host:port` (STARTTLS), `xmpps://host:port` (TLS), `wss://host/path` (WebSocket) or
   * `https://host/path` (BOSH). `ws:` and `http:` work to this machine only. Default: the SRV records and the host-meta
   * of the JID's domain.
   */
  readonly url?: string | undefined;
  /**
   * Several addresses instead of `url`, tried in this order. The address that worked last comes first the next time.
   */
  readonly urls?: readonly string[] | undefined;
  /** PEM text of a certificate authority to trust besides the system's authorities. */
  readonly ca?: string | undefined;
  /**
   * Compresses the whole stream (XEP-0138). Default false: an attacker who sees the stream's length and can put text
   * into it may guess the rest. Payloads are compressed in any case. Throws `unsupported` if the server does not offer
   * stream compression.
   */
  readonly compress?: boolean | undefined;
  /** Resource of the full JID. Default: four random characters, because each stanza carries every character of it. */
  readonly resource?: string | undefined;
  /**
   * True sends no more than the server reads within 250 ms. Acknowledgements (XEP-0198) show what it has read, or over
   * BOSH a message to this client itself. At a server that limits bytes per second, newer values then replace older
   * ones, and the window widens. False sends everything, and the updates wait on the way. Default true.
   */
  readonly pacing?: boolean | undefined;
  /**
   * `"auto"`: small blocks travel in lean stanzas, the smallest form, once a probe has shown that the server passes
   * them on unchanged. `"ibb"`: all blocks travel in In-Band Bytestreams. Default `"auto"`.
   */
  readonly envelope?: "auto" | "ibb" | undefined;
  /**
   * Deadline for the connection, the link and each request, in ms. For a request that waits behind others, the time
   * counts from the last request that the component took. Default 20,000.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * What an inactive client (`setActive(false)`) does with its subscriptions: it widens every window to at least
   * `windowMs`, or it pauses the subscriptions (`"pause"`). Default `{ windowMs: 60000 }`.
   */
  readonly inactive?: InactivePolicy | undefined;
  /**
   * True makes `connect` return the client at once, even if no server can be reached. The client connects by itself,
   * and retries until the server refuses the credentials (`closed`). This is for publishers with a store, which saves
   * updates meanwhile. False throws the first failure. Default false.
   */
  readonly startOffline?: boolean | undefined;
  /** Aborts `connect`. Afterwards it closes the client. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * `windowMs`: the smallest window while inactive, in ms, rounded up to a rung. `"pause"`: no update arrives while
 * inactive.
 */
export type InactivePolicy = { readonly windowMs: number } | "pause";

export interface ResolvedConnectOptions {
  readonly inactive: InactivePolicy;
  readonly connection: ClientConnectionOptions;
  readonly bareJid: string;
  /** Nodes of the component, at least one. */
  readonly components: readonly [string, ...string[]];
  readonly timeoutMs: number;
  readonly envelope: "auto" | "ibb";
  readonly startOffline: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Checks all options once, at the edge. Throws `invalid-options`. */
export function resolveConnectOptions(given: ConnectOptions): ResolvedConnectOptions {
  const options = checked("connect", given);
  const bare = readAccount(options.jid, "connect: `jid`");
  for (const url of [options.url ?? [], options.urls ?? []].flat()) checkUrl(url);
  if (options.url !== undefined && options.urls !== undefined) {
    throw new StanzapackError("invalid-options", "connect: `url` and `urls` exclude each other");
  }
  const timeoutMs = options.timeoutMs ?? 20_000;
  return {
    inactive: resolveInactive(options.inactive),
    bareJid: bare,
    components: readComponents(options),
    timeoutMs,
    envelope: options.envelope ?? "auto",
    startOffline: options.startOffline ?? false,
    signal: options.signal,
    connection: {
      jid: bare,
      password: options.password,
      ...(options.url === undefined ? {} : { url: options.url }),
      ...(options.urls === undefined ? {} : { urls: options.urls }),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.compress === undefined ? {} : { compress: options.compress }),
      ...(options.resource === undefined
        ? {}
        : { resource: readResource(options.resource, "connect: `resource`") }),
      ...(options.pacing === false ? { streamManagement: { targetMs: 0 } } : {}),
      ...(options.startOffline === true ? { retryStart: true } : {}),
      timeouts: { onlineMs: timeoutMs },
    },
  };
}

function readComponents({ component, components = [] }: ConnectOptions): readonly [string, ...string[]] {
  if (component !== undefined && components.length > 0)
    throw new StanzapackError("invalid-options", "connect: `component` and `components` exclude each other");
  if (component !== undefined) return [readDomain(component, "connect: `component`")];
  const [first, ...others] = components.map((each) => readDomain(each, "connect: `components`"));
  if (first === undefined)
    throw new StanzapackError("invalid-options", "connect: `component` or `components` is needed");
  return [first, ...others];
}

function checkUrl(url: string): void {
  const kinds = /^(?:xmpps?:\/\/[^/]+|(?:wss?|https?):\/\/.+)$/;
  if (kinds.test(url) && URL.canParse(url)) return;
  throw new StanzapackError(
    "invalid-options",
    `connect: \`url\` ${url} is not xmpp://host:port, xmpps://host:port, wss://host/path or https://host/path`,
  );
}

function resolveInactive(policy: InactivePolicy = { windowMs: 60_000 }): InactivePolicy {
  return policy === "pause" ? policy : { windowMs: grantWindow(policy.windowMs) };
}
