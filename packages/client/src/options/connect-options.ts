import { grantWindow, StanzapackError } from "@stanzapack/wire";
import type { ClientConnectionOptions } from "@stanzapack/xmpp";
import { readAccount, readDomain, readResource } from "../base/addresses.js";
import { checked } from "./option-checks.js";

export interface ConnectOptions {
  /**
   * Bare JID to log in as: `bob@example.org`, in any spelling that the server takes for it. The domain has its own letters:
   * `münchen.example`, not `xn--mnchen-3ya.example`, unless the server is configured with that. Throws `invalid-options`.
   */
  readonly jid: string;
  readonly password: string;
  /** Domain of the Stanzapack component: `streams.example.org`. */
  readonly component: string;
  /**
   * `xmpp://host:port` (STARTTLS), `xmpps://host:port`, `wss://host/path` (WebSocket) or `https://host/path` (BOSH);
   * `ws:` and `http:` to this machine only. Default: what the JID's domain says in its SRV records and its host-meta.
   */
  readonly url?: string | undefined;
  /** Several such addresses in the place of `url`, tried in this order; the one that worked last comes first. */
  readonly urls?: readonly string[] | undefined;
  /** PEM of an authority to trust besides the system's. */
  readonly ca?: string | undefined;
  /**
   * Compresses the whole stream (XEP-0138). Default false: whoever sees its length and can put text of theirs into it may
   * guess the rest; payloads are compressed anyway. `unsupported` where the server does not offer it.
   */
  readonly compress?: boolean | undefined;
  /** Every character of it travels in every stanza. Default: four random ones. */
  readonly resource?: string | undefined;
  /**
   * Sends no more than the server reads within a quarter of a second, where it acknowledges (XEP-0198): at a server that limits
   * bytes per second values give way to newer ones, and their window widens. Default true; false sends all and lets it wait in between.
   */
  readonly pacing?: boolean | undefined;
  /**
   * `"auto"`, the default: small blocks travel in lean stanzas, the smallest there are, once it is known that the server passes them on
   * unchanged. `"ibb"`: in In-Band Bytestreams alone.
   */
  readonly envelope?: "auto" | "ibb" | undefined;
  /**
   * Deadline for the connection, the link and each request, in ms. The time of a request that waits behind others counts from the last
   * request that the component took. Default 20,000.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * What an inactive client (`setActive(false)`) does with its subscriptions: widens every window to at least `windowMs`, or
   * `"pause"`s them. Default `{ windowMs: 60000 }`.
   */
  readonly inactive?: InactivePolicy | undefined;
  /**
   * `connect` gives the client at once, also where nothing can be reached; it comes `online` by itself and goes on trying, unless the
   * server refuses the credentials (`closed`). For publishers with a store, whose updates are saved meanwhile. Default false: the first
   * failure is thrown.
   */
  readonly startOffline?: boolean | undefined;
  /** Gives up connecting, and later closes the client. */
  readonly signal?: AbortSignal | undefined;
}

/** `windowMs`: the smallest window while inactive, in ms, rounded up to a rung. `"pause"`: nothing comes while inactive. */
export type InactivePolicy = { readonly windowMs: number } | "pause";

export interface ResolvedConnectOptions {
  readonly inactive: InactivePolicy;
  readonly connection: ClientConnectionOptions;
  readonly bareJid: string;
  readonly component: string;
  readonly timeoutMs: number;
  readonly envelope: "auto" | "ibb";
  readonly startOffline: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Checks everything once, here. Throws `invalid-options`. */
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
    component: readDomain(options.component, "connect: `component`"),
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
