import {
  allOptional,
  checkOptions,
  either,
  exactly,
  flag,
  listOf,
  objectOf,
  plainText,
  StanzapackError,
  textThat,
  wholeNumber,
  type OptionSchema,
} from "@stanzapack/wire";
import type { BoshTiming } from "../bosh/bosh-courier.js";
import type {
  ClientConnectionOptions,
  ComponentConnectionOptions,
  ComponentTlsOptions,
  ConnectionLimits,
  ConnectionTimeouts,
} from "./connection.js";
import type { ReconnectPolicy } from "../base/timing.js";
import type { StreamManagementPolicy } from "../stream/stream-management.js";
import { jid, prepareDomainName, prepareResource } from "../addresses/jid.js";
import { parseServiceUrl } from "../transports/service-url.js";

/** Longest JID: three parts of 1,023 octets (RFC 7622 §3.1), `@` and `/`. */
const MAX_JID_CHARS = 3_071;
const MAX_PASSWORD_CHARS = 65_535;
/** Longest delay of a JavaScript timer, in ms. */
const MAX_TIMER_MS = 2_147_483_647;
const MAX_URLS = 100;

const ms = wholeNumber(0, MAX_TIMER_MS, " of ms");
const count = wholeNumber(1, Number.MAX_SAFE_INTEGER);
const address = plainText(1, MAX_JID_CHARS, "an address");
const pem = textThat("PEM text of a certificate", (pem) => pem === "" || pem.includes("-----BEGIN"));
const url = textThat(
  "xmpp://host:port, xmpps://host:port, wss://host/path or https://host/path",
  isServiceUrl,
);

const shared = {
  timeouts: part<ConnectionTimeouts>({ onlineMs: ms, closeMs: ms }),
  reconnect: part<ReconnectPolicy>({ minMs: ms, maxMs: ms }),
  retryStart: flag(),
  limits: part<ConnectionLimits>({ maxStanzaChars: count, maxWaitingBytes: count }),
};

const CLIENT = all<ClientConnectionOptions>({
  jid: address,
  password: plainText(1, MAX_PASSWORD_CHARS),
  ...allOptional({
    ...shared,
    url,
    urls: listOf(url, 1, MAX_URLS, "addresses"),
    resource: plainText(1, MAX_JID_CHARS),
    // XEP-0388 §2.3
    clientId: textThat("a UUID", (text) => /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)),
    ca: pem,
    requireTls: flag(),
    compress: flag(),
    streamManagement: part<StreamManagementPolicy>({
      enabled: flag(),
      requestEvery: count,
      requestAfterMs: ms,
      maxQueue: count,
      answerMs: ms,
      targetMs: ms,
    }),
    bosh: part<BoshTiming>({
      ...{ waitMs: ms, answerMs: ms, answerMinMs: ms, overtakenMs: ms },
      ...{ retryMinMs: ms, retryMaxMs: ms, giveUpMs: ms },
    }),
  }),
});

const COMPONENT = all<ComponentConnectionOptions>({
  domain: address,
  secret: textThat("a text that is not empty", (text) => text !== ""),
  host: plainText(1, MAX_JID_CHARS, "a host"),
  port: wholeNumber(1, 65_535),
  ...allOptional({
    ...shared,
    tls: part<ComponentTlsOptions>({ ca: pem, serverName: plainText(1, MAX_JID_CHARS, "a host") }),
    reconnect: either("false or { minMs, maxMs }", exactly(false), shared.reconnect),
  }),
});

function all<T>(schemas: Record<keyof T, OptionSchema>): OptionSchema {
  return objectOf(schemas);
}

function part<T>(schemas: Record<keyof T, OptionSchema>): OptionSchema {
  return objectOf(allOptional(schemas), `an object with ${Object.keys(schemas).join(", ")}`);
}

function isServiceUrl(text: string): boolean {
  try {
    return parseServiceUrl(text) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Checks options. Returns a copy with prepared addresses, without undefined options. Throws `StanzapackError`
 * (`invalid-options`).
 */
export function checkClientOptions(given: ClientConnectionOptions): ClientConnectionOptions {
  const call = "createClientConnection";
  const options = checkOptions(call, CLIENT, given);
  const { jid, resource } = options;
  if (options.url !== undefined && options.urls !== undefined)
    throw new StanzapackError("invalid-options", `${call}: \`url\` and \`urls\` exclude each other`);
  return {
    ...options,
    jid: prepared(call, "jid", jid, prepareAccount),
    ...(resource === undefined ? {} : { resource: prepared(call, "resource", resource, prepareResource) }),
  };
}

/** As `checkClientOptions`, for components. */
export function checkComponentOptions(given: ComponentConnectionOptions): ComponentConnectionOptions {
  const call = "createComponentConnection";
  const options = checkOptions(call, COMPONENT, given);
  return { ...options, domain: prepared(call, "domain", options.domain, prepareDomainName) };
}

function prepareAccount(text: string): string {
  const account = jid(text);
  if (account.local === "") throw new TypeError("it must have a local part before its `@`");
  return account.bare().toString();
}

function prepared(call: string, name: string, text: string, prepare: (text: string) => string): string {
  try {
    return prepare(text);
  } catch (cause) {
    throw new StanzapackError("invalid-options", `${call}: \`${name}\`: ${(cause as Error).message}`, {
      cause,
    });
  }
}
