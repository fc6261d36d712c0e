import { randomBytes } from "node:crypto";
import {
  abortSignal,
  allOptional,
  checkOptions,
  either,
  flag,
  listOf,
  objectOf,
  oneOf,
  plainText,
  wholeNumber,
  type OptionSchema,
} from "@stanzapack/wire";
import { SandboxError } from "./errors.js";
import type {
  FederationOptions,
  SandboxAccount,
  SandboxComponent,
  SandboxOptions,
  ServerKind,
  SettingsKind,
} from "./types.js";

/** Default XMPP domain. Every system resolves this name to loopback, and a certificate can have it. */
export const DOMAIN = "localhost";

/** Bounds the time of a start: 100,000 accounts take minutes. */
const MAX_USERS = 100_000;

export interface ResolvedOptions {
  readonly server: ServerKind;
  /** At least one domain. */
  readonly domains: readonly string[];
  readonly federation: FederationOptions | undefined;
  readonly accounts: readonly SandboxAccount[];
  readonly components: readonly SandboxComponent[];
  readonly settings: SettingsKind;
  readonly compress: boolean;
  readonly sasl2: boolean;
  readonly componentTls: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const name = plainText(1, 253, "a name");
const names = (what: string): OptionSchema => listOf(name, 0, MAX_USERS, what);
const SCHEMA = objectOf({
  server: oneOf("prosody", "ejabberd"),
  ...allOptional({
    domains: names("domains"),
    users: either(
      "a whole number from 0 to 100,000, or a list of local parts",
      wholeNumber(0, MAX_USERS),
      names("local parts"),
    ),
    components: names("domains"),
    settings: oneOf("stock", "recommended"),
    compress: flag(),
    sasl2: flag(),
    componentTls: flag(),
    federation: objectOf(
      { domains: names("domains"), port: wholeNumber(1, 65_535) },
      "an object with domains and port",
    ),
    timeoutMs: wholeNumber(1, 2_147_483_647, " of ms"),
    signal: abortSignal(),
  }),
} satisfies Record<keyof SandboxOptions, OptionSchema>);

/** Checks the caller's options, fills in defaults, and draws passwords and secrets. */
export function resolveOptions(given: SandboxOptions): ResolvedOptions {
  const options = checkOptions("startSandbox", SCHEMA, given, badOption);
  const {
    server,
    domains = [DOMAIN],
    users = 2,
    settings = "recommended",
    compress = false,
    sasl2 = false,
    componentTls = false,
    timeoutMs = 60_000,
  } = options;
  const [domain] = domains;
  const components = options.components ?? [`streams.${domain}`, `basic.${domain}`];
  if (sasl2 && server !== "prosody") throw new SandboxError("bad-option", `${server} has no SASL2`);
  if (componentTls && server !== "ejabberd")
    throw new SandboxError("bad-option", `${server} has no TLS on its component port`);
  if (domain === undefined) throw new SandboxError("bad-option", "domains names none");
  for (const name of [...domains, ...(options.federation?.domains ?? [])]) assertPrivate(name);
  assertDistinct(domains, "domains");
  const localParts = typeof users === "number" ? countedUsers(users) : users;
  assertDistinct(localParts, "users");
  assertDistinct(components, "components");
  return {
    server,
    domains,
    federation: options.federation,
    accounts: domains.flatMap((at) => localParts.map((localPart) => createAccount(localPart, at))),
    components: components.map((name) => ({ domain: checkedDomain(name, domain), secret: randomSecret() })),
    settings,
    compress,
    sasl2,
    componentTls,
    timeoutMs,
    signal: options.signal,
  };
}

/** A new account for `localPart`, with a password of 128 random bits. */
export function createAccount(localPart: string, domain: string): SandboxAccount {
  // A subset of RFC 7622. These characters are their own prepared form, and are safe in file names and configurations.
  if (!/^[\p{Ll}\p{Lo}\d][\p{Ll}\p{Lo}\d\\._-]{0,63}$/u.test(localPart)) {
    throw new SandboxError(
      "bad-option",
      `not a plain local part (small letters, 0-9 . _ - \\): ${JSON.stringify(localPart)}`,
    );
  }
  return { jid: `${localPart}@${domain}`, password: randomSecret() };
}

function countedUsers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `user${index}`);
}

/** RFC 6761: nobody owns these names, so it does no harm if a query for one leaves the machine. */
function assertPrivate(domain: string): void {
  const label = String.raw`[\p{Ll}\p{Lo}\d]([\p{Ll}\p{Lo}\d-]{0,61}[\p{Ll}\p{Lo}\d])?`;
  if (!new RegExp(`^(${label}\\.)*(localhost|test)$`, "u").test(domain)) {
    const text = `a domain is localhost, or ends in .localhost or .test: ${JSON.stringify(domain)}`;
    throw new SandboxError("bad-option", text);
  }
}

function checkedDomain(domain: string, parent: string): string {
  assertPrivate(domain);
  if (!domain.endsWith(`.${parent}`)) {
    throw new SandboxError(
      "bad-option",
      `a component's domain lies below ${parent}: ${JSON.stringify(domain)}`,
    );
  }
  return domain;
}

function assertDistinct(values: readonly string[], what: string): void {
  if (new Set(values).size !== values.length) throw new SandboxError("bad-option", `${what} names one twice`);
}

function randomSecret(): string {
  return randomBytes(16).toString("hex");
}

function badOption(text: string, cause: unknown): SandboxError {
  return new SandboxError("bad-option", text, cause === undefined ? {} : { cause });
}
