import { randomBytes } from "node:crypto";
import { SandboxError } from "./errors.js";
import type {
  FederationOptions,
  SandboxAccount,
  SandboxComponent,
  SandboxOptions,
  ServerKind,
  SettingsKind,
} from "./types.js";

/** The XMPP domain unless others are asked for. A name that resolves to loopback everywhere and that a certificate can carry. */
export const DOMAIN = "localhost";

/** Free port ranges end somewhere, and so does patience: 100,000 accounts take minutes. */
const MAX_USERS = 100_000;

export interface ResolvedOptions {
  readonly server: ServerKind;
  /** One at least. */
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

/** Checks and fills in what the caller gave; passwords and secrets are drawn here. */
export function resolveOptions(options: SandboxOptions): ResolvedOptions {
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
  if (server !== "prosody" && server !== "ejabberd") {
    throw new SandboxError("bad-option", `server is prosody or ejabberd, not ${String(server)}`);
  }
  if (settings !== "stock" && settings !== "recommended") {
    throw new SandboxError("bad-option", `settings is stock or recommended, not ${String(settings)}`);
  }
  if (sasl2 && server !== "prosody") throw new SandboxError("bad-option", `${server} has no SASL2`);
  if (componentTls && server !== "ejabberd")
    throw new SandboxError("bad-option", `${server} has no TLS on its component port`);
  if (!(timeoutMs > 0)) throw new SandboxError("bad-option", "timeoutMs must be above 0");
  if (domain === undefined) throw new SandboxError("bad-option", "domains names none");
  for (const name of [...domains, ...(options.federation?.domains ?? [])]) assertPrivate(name);
  assertDistinct(domains, "domains");
  if (options.federation !== undefined) assertPort(options.federation.port);
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

/** A fresh account for `localPart`, with a password of 128 random bits. */
export function createAccount(localPart: string, domain: string): SandboxAccount {
  // A subset of what RFC 7622 allows that is its own prepared form and safe in file names and configurations.
  if (!/^[\p{Ll}\p{Lo}\d][\p{Ll}\p{Lo}\d\\._-]{0,63}$/u.test(localPart)) {
    throw new SandboxError(
      "bad-option",
      `not a plain local part (small letters, 0-9 . _ - \\): ${JSON.stringify(localPart)}`,
    );
  }
  return { jid: `${localPart}@${domain}`, password: randomSecret() };
}

function countedUsers(count: number): string[] {
  if (!Number.isInteger(count) || count < 0 || count > MAX_USERS) {
    throw new SandboxError("bad-option", `users must be a whole number from 0 to ${MAX_USERS}`);
  }
  return Array.from({ length: count }, (_, index) => `user${index}`);
}

/** RFC 6761: names that are nobody's, wherever a query for them might get to. */
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

function assertPort(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new SandboxError("bad-option", `no TCP port: ${port}`);
}

function assertDistinct(values: readonly string[], what: string): void {
  if (new Set(values).size !== values.length) throw new SandboxError("bad-option", `${what} names one twice`);
}

function randomSecret(): string {
  return randomBytes(16).toString("hex");
}
