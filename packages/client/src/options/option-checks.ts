import {
  abortSignal,
  allOptional,
  anything,
  callable,
  checkArgument,
  checkOptions,
  DEFAULT_LIMITS,
  either,
  exactly,
  finiteNumber,
  flag,
  isCursorName,
  listOf,
  MAX_WINDOW_MS,
  objectOf,
  objectWith,
  oneOf,
  orNull,
  parseNode,
  plainText,
  SELECTION_BOUNDS,
  textThat,
  StanzapackError,
  wholeNumber,
  type OptionSchema,
  type ServiceKind,
} from "@stanzapack/wire";
import type { CallOptions } from "./call-options.js";
import { readNode } from "../base/addresses.js";
import { COMMAND_BOUNDS, type CommandOptions, type CommandsOptions } from "./command-options.js";
import type { ConfigureOptions, OfferOptions } from "./offer-options.js";
import type { ConnectOptions } from "./connect-options.js";
import type { ChangeOptions, SubscribeOptions } from "./subscribe-options.js";
import type { VerifyOptions } from "./verify-options.js";

/** Characters of a full JID: RFC 7622 §3.1 allows three parts of 1,023 octets. */
const MAX_JID_CHARS = 3_071;
/** Characters of an address to connect to, and of a password. Some passwords are tokens of several kB. */
const MAX_URL_CHARS = 2_048;
const MAX_PASSWORD_CHARS = 65_535;
/** Longest delay that a timer of JavaScript takes, in ms. */
const MAX_TIMER_MS = 2_147_483_647;
/** The end of the year 9999 in ms since 1970: XEP-0082 writes four digits. */
const MAX_TIME_MS = 253_402_300_799_999;
/** The component accepts no longer title and no larger credit. XEP-0060 has no bounds. */
const MAX_TITLE_CHARS = 256;
const MAX_CREDIT_ROWS = 999_999_999;
/** Items of a list. The component accepts 10,000 members by default, and its operator may allow more. */
const MAX_MEMBERS = 1_000_000;
const MAX_URLS = 100;
const MAX_NODES = 1_000_000;
/** A node is a bare JID of 2,047 characters at most, a `/` and a name of 64. */
const MAX_TEXT_CHARS = 4_096;
/** Longest time of a call, in ms. The component has the same bound, and the publisher remembers results as long. */
const MAX_CALL_MS = 600_000;
/** Longest time that a command may wait, in ms: a year. */
const MAX_KEEP_MS = 31_536_000_000;

const bounds = SELECTION_BOUNDS;
const address = plainText(1, MAX_JID_CHARS, "an address");
const windowMs = wholeNumber(0, MAX_WINDOW_MS, " of ms");
/** A node, a pattern, a name or a JID. Other code checks its form. */
const text = plainText(0, MAX_TEXT_CHARS, "a string");
const position = wholeNumber(0, Number.MAX_SAFE_INTEGER);
const url = plainText(1, MAX_URL_CHARS, "an address");

const login = { jid: address, password: plainText(1, MAX_PASSWORD_CHARS) };
const connection = {
  component: address,
  components: listOf(address, 1, MAX_URLS, "domains"),
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
const bound = either(
  '"max" or a whole number from 1 on',
  exactly("max"),
  wholeNumber(1, Number.MAX_SAFE_INTEGER),
);
const metadata = {
  access: oneOf("open", "whitelist", "authorize"),
  compression: oneOf("shared", "isolated"),
  durability: oneOf("none", "interval", "sync"),
  maxItems: bound,
  itemExpireSeconds: bound,
  maxBytes: bound,
  members: listOf(address, 0, MAX_MEMBERS, "bare JIDs"),
  authorize: callable(),
  title: plainText(0, MAX_TITLE_CHARS),
};
const offer = {
  ...metadata,
  kind: oneOf("value", "log", "map"),
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
  cursor: textThat("a name of 1 to 64 characters of A-Z a-z 0-9 . _ -", isCursorName),
  copy: objectWith("pairs of a key and a value, such as a Map", Symbol.iterator),
  manualCursor: flag(),
  keys: orNull(listOf(plainText(1, bounds.maxKeyChars, "a key"), 1, bounds.maxKeys, "keys")),
  prefix: orNull(plainText(1, bounds.maxKeyChars)),
  approvalMs: wholeNumber(0, MAX_TIMER_MS, " of ms"),
  onPending: callable(),
  parse: callable(),
  maxQueued: wholeNumber(1, MAX_CREDIT_ROWS, " of updates"),
};

const verify = { timeoutMs: wholeNumber(1, MAX_TIMER_MS, " of ms") };
const call = { timeoutMs: wholeNumber(1, MAX_CALL_MS, " of ms") };
const command = {
  ...call,
  expect: anything(),
  change: callable(),
  keepMs: wholeNumber(1, MAX_KEEP_MS, " of ms"),
};
const commands = {
  maxCommands: wholeNumber(1, COMMAND_BOUNDS.maxCommands, " of commands"),
  maxBytes: wholeNumber(1, COMMAND_BOUNDS.maxBytes, " of bytes"),
};

/** Schema of the options of each call. A new option of a type does not compile before its schema is here. */
const SCHEMAS = {
  connect: options<ConnectOptions>({ ...login, ...allOptional(connection) }),
  offer: options<OfferOptions>(allOptional(offer)),
  configure: options<ConfigureOptions>(allOptional(metadata)),
  change: options<ChangeOptions>(allOptional(change)),
  subscribe: options<SubscribeOptions<unknown>>(allOptional(subscribe)),
  verify: options<VerifyOptions>(allOptional(verify)),
  call: options<CallOptions>(allOptional(call)),
  command: options<CommandOptions<unknown>>(allOptional(command)),
  commands: options<CommandsOptions>(allOptional(commands)),
};

function options<T>(schemas: Record<keyof T, OptionSchema>): OptionSchema {
  return objectOf(schemas);
}

/** Checks the options of the call `call`. Returns a copy without undefined options. Throws `invalid-options`. */
export function checked<T extends object>(call: keyof typeof SCHEMAS, given: T, what: string = call): T {
  return checkOptions(what, SCHEMAS[call], given);
}

/** Kinds of services that have a bound. */
const BOUNDED = {
  maxItems: ["log", "map"],
  maxBytes: ["log", "map"],
  itemExpireSeconds: ["log"],
} as const satisfies Partial<Record<keyof ConfigureOptions, readonly ServiceKind[]>>;

/** Throws `invalid-options` for a bound that services of this kind do not have. */
export function checkBounds(what: string, kind: ServiceKind = "value", options: ConfigureOptions): void {
  for (const [name, kinds] of Object.entries(BOUNDED) as [keyof typeof BOUNDED, readonly ServiceKind[]][])
    if (options[name] !== undefined && !kinds.includes(kind))
      throw new StanzapackError(
        "invalid-options",
        `${what}: \`${name}\` is for services of kind ${kinds.map((each) => `\`${each}\``).join(" and ")} only`,
      );
}

/** Throws `invalid-options` if `given` is no string, or has a character that XML cannot carry. */
export function checkText(what: string, name: string, given: unknown): void {
  checkArgument(what, name, text, given);
}

/** Throws `invalid-options` if `given` is no name of a method: 1 to 64 characters that XML can carry. */
export function checkMethod(what: string, given: unknown): void {
  checkArgument(what, "method", plainText(1, DEFAULT_LIMITS.maxMethodChars, "the name of a method"), given);
}

/** Throws `invalid-options` if `given` is no store of commands. */
export function checkCommandStore(what: string, given: unknown): void {
  checkArgument(what, "store", objectWith("a store, such as `openOutboxStore` gives", "openCommands"), given);
}

export function checkHandler(what: string, given: unknown): void {
  checkArgument(what, "handler", callable(), given);
}

export function checkFlag(what: string, name: string, given: unknown): void {
  checkArgument(what, name, flag(), given);
}

/** Throws `invalid-options` if `given` cannot be the name of a cursor. */
export function checkCursorName(what: string, given: unknown): void {
  checkArgument(what, "name", subscribe.cursor, given);
}

/** Takes a node or a pattern, or a list of them that is not empty. Returns a list. Throws `invalid-options`. */
export function checkNodes(what: string, given: string | readonly string[]): string[] {
  if (typeof given === "string") return [given];
  return [...checkArgument(what, "nodes", listOf(text, 1, MAX_NODES, "nodes"), given)];
}

/** Returns the prepared node that the call `what` names. Throws `invalid-options` and `bad-name`. */
export function nodeOf(what: string, named: string): string {
  checkText(what, "node", named);
  const node = readNode(named);
  parseNode(node);
  return node;
}
