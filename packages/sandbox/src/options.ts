import { randomBytes } from "node:crypto";
import { SandboxError } from "./errors.js";
import type { SandboxAccount, SandboxComponent, SandboxOptions, ServerKind, SettingsKind } from "./types.js";

/** The XMPP domain. A name that resolves to loopback everywhere and that a certificate can carry. */
export const DOMAIN = "localhost";

/** Free port ranges end somewhere, and so does patience: 100,000 accounts take minutes. */
const MAX_USERS = 100_000;

export interface ResolvedOptions {
  readonly server: ServerKind;
  readonly accounts: readonly SandboxAccount[];
  readonly components: readonly SandboxComponent[];
  readonly settings: SettingsKind;
  readonly compress: boolean;
  readonly sasl2: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Checks and fills in what the caller gave; passwords and secrets are drawn here. */
export function resolveOptions(options: SandboxOptions): ResolvedOptions {
  const {
    server,
    users = 2,
    settings = "recommended",
    compress = false,
    sasl2 = false,
    timeoutMs = 60_000,
  } = options;
  const components = options.components ?? [`streams.${DOMAIN}`, `basic.${DOMAIN}`];
  if (server !== "prosody" && server !== "ejabberd") {
    throw new SandboxError("bad-option", `server is prosody or ejabberd, not ${String(server)}`);
  }
  if (settings !== "stock" && settings !== "recommended") {
    throw new SandboxError("bad-option", `settings is stock or recommended, not ${String(settings)}`);
  }
  if (sasl2 && server !== "prosody") throw new SandboxError("bad-option", `${server} has no SASL2`);
  if (!(timeoutMs > 0)) throw new SandboxError("bad-option", "timeoutMs must be above 0");
  const localParts = typeof users === "number" ? countedUsers(users) : users;
  assertDistinct(localParts, "users");
  assertDistinct(components, "components");
  return {
    server,
    accounts: localParts.map(createAccount),
    components: components.map((domain) => ({ domain: checkedDomain(domain), secret: randomSecret() })),
    settings,
    compress,
    sasl2,
    timeoutMs,
    signal: options.signal,
  };
}

/** A fresh account for `localPart`, with a password of 128 random bits. */
export function createAccount(localPart: string): SandboxAccount {
  // A subset of what RFC 7622 allows that is its own prepared form and safe in file names and configurations.
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(localPart)) {
    throw new SandboxError(
      "bad-option",
      `not a plain local part (a-z 0-9 . _ -): ${JSON.stringify(localPart)}`,
    );
  }
  return { jid: `${localPart}@${DOMAIN}`, password: randomSecret() };
}

function countedUsers(count: number): string[] {
  if (!Number.isInteger(count) || count < 0 || count > MAX_USERS) {
    throw new SandboxError("bad-option", `users must be a whole number from 0 to ${MAX_USERS}`);
  }
  return Array.from({ length: count }, (_, index) => `user${index}`);
}

function checkedDomain(domain: string): string {
  if (!/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+localhost$/.test(domain)) {
    throw new SandboxError(
      "bad-option",
      `a component's domain lies below localhost: ${JSON.stringify(domain)}`,
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
