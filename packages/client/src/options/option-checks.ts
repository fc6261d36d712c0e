import {
  abortSignal,
  allOptional,
  callable,
  checkArgument,
  checkOptions,
  either,
  exactly,
  finiteNumber,
  flag,
  listOf,
  MAX_WINDOW_MS,
  objectOf,
  objectWith,
  oneOf,
  orNull,
  plainText,
  SELECTION_BOUNDS,
  textThat,
  wholeNumber,
  type OptionSchema,
} from "@stanzapack/wire";
import type { ConfigureOptions, OfferOptions } from "./offer-options.js";
import type { ConnectOptions } from "./connect-options.js";
import type { ChangeOptions, SubscribeOptions } from "./subscribe-options.js";

/** Characters of a full JID: RFC 7622 §3.1 allows three parts of 1,023 octets. */
const MAX_JID_CHARS = 3_071;
/** Characters of an address to connect to, and of a password: some are tokens of several kB. */
const MAX_URL_CHARS = 2_048;
const MAX_PASSWORD_CHARS = 65_535;
/** Timers of JavaScript take no more ms. */
const MAX_TIMER_MS = 2_147_483_647;
/** The end of the year 9999 in ms since 1970: XEP-0082 writes four digits. */
const MAX_TIME_MS = 253_402_300_799_999;
/** XEP-0060 has no bound; these are what the component takes at most, by default. */
const MAX_TITLE_CHARS = 256;
const MAX_CREDIT_ROWS = 999_999_999;
const MAX_MEMBERS = 1_000_000;
const MAX_URLS = 100;
const MAX_NODES = 1_000_000;
/** A node is a bare JID of 2,047 characters at most, a `/` and a name of 64. */
const MAX_TEXT_CHARS = 4_096;

const bounds = SELECTION_BOUNDS;
const address = plainText(1, MAX_JID_CHARS, "an address");
const windowMs = wholeNumber(0, MAX_WINDOW_MS, " of ms");
/** A node, a pattern, a name or a JID: of which form it must be is checked elsewhere. */
const text = plainText(0, MAX_TEXT_CHARS, "a string");
const position = wholeNumber(0, Number.MAX_SAFE_INTEGER);
const url = plainText(1, MAX_URL_CHARS, "an address");

const login = { jid: address, password: plainText(1, MAX_PASSWORD_CHARS), component: address };
const connection = {
  url,
  urls: listOf(url, 1, MAX_URLS, "addresses"),
  ca: textThat("PEM text of a certificate", (pem) => pem === "" || pem.includes("-----BEGIN")),
  compress: flag(),
  resource: plainText(1, MAX_JID_CHARS),
  pacing: flag(),
  envelope: oneOf("auto", "ibb"),
  timeoutMs: wholeNumber(1, MAX_TIMER_MS, " of ms"),
  inactive: either('"pause" or { windowMs: 0 to 86,400,000 }', exactly("pause"), objectOf({ windowMs })),
  startOffline: flag(),
  signal: abortSignal(),
};
const metadata = {
  access: oneOf("open", "whitelist", "authorize"),
  compression: oneOf("shared", "isolated"),
  members: listOf(address, 0, MAX_MEMBERS, "bare JIDs"),
  authorize: callable(),
  title: plainText(0, MAX_TITLE_CHARS),
};
const offer = {
  ...metadata,
  kind: oneOf("value", "log"),
  opaque: flag(),
  store: objectWith("a store, such as `openOutboxStore` gives", "open"),
  takeOver: flag(),
};
const change = {
  windowMs,
  samples: oneOf("all", "latest"),
  maxRate: orNull(finiteNumber(bounds.minRate, bounds.maxRate, " of updates a second")),
  fields: orNull(listOf(plainText(1, bounds.maxFieldChars, "a name"), 0, bounds.maxFields, "names")),
  deadband: orNull(finiteNumber(0)),
  heartbeatMs: orNull(wholeNumber(bounds.minHeartbeatMs, MAX_WINDOW_MS, " of ms")),
};
const subscribe = {
  ...change,
  since: either(
    '"first", { epoch, offset } or { time } with ms since 1970',
    exactly("first"),
    objectOf({ epoch: position, offset: position }),
    objectOf({ time: finiteNumber(0, MAX_TIME_MS) }),
  ),
  approvalMs: wholeNumber(0, MAX_TIMER_MS, " of ms"),
  onPending: callable(),
  parse: callable(),
  maxQueued: wholeNumber(1, MAX_CREDIT_ROWS, " of updates"),
};

/** Each names all options of its type: a new one does not compile before it is here. */
const SCHEMAS = {
  connect: options<ConnectOptions>({ ...login, ...allOptional(connection) }),
  offer: options<OfferOptions>(allOptional(offer)),
  configure: options<ConfigureOptions>(allOptional(metadata)),
  change: options<ChangeOptions>(allOptional(change)),
  subscribe: options<SubscribeOptions<unknown>>(allOptional(subscribe)),
};

function options<T>(schemas: Record<keyof T, OptionSchema>): OptionSchema {
  return objectOf(schemas);
}

/** The options of a call of this name: a copy without what is undefined. Throws `invalid-options`. */
export function checked<T extends object>(call: keyof typeof SCHEMAS, given: T, what: string = call): T {
  return checkOptions(what, SCHEMAS[call], given);
}

/** Throws `invalid-options` for what is no string, or contains what XML cannot carry. */
export function checkText(what: string, name: string, given: unknown): void {
  checkArgument(what, name, text, given);
}

export function checkFlag(what: string, name: string, given: unknown): void {
  checkArgument(what, name, flag(), given);
}

/** One node or pattern, or a list of them, not empty. */
export function checkNodes(what: string, given: string | readonly string[]): string[] {
  if (typeof given === "string") return [given];
  return [...checkArgument(what, "nodes", listOf(text, 1, MAX_NODES, "nodes"), given)];
}
