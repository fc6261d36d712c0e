import type { Command } from "./server-process.js";
import type { Site, SiteSettings } from "./site.js";
import type { SandboxAccount, SandboxPorts, ServerKind } from "./types.js";

/** What a server's log says about its start. */
export type StartState = "starting" | "ready" | "port-taken";

/** What differs between the servers. `startSandbox` does the rest. */
export interface Recipe {
  readonly kind: ServerKind;
  /** File names within the site. */
  readonly logFile: string;
  readonly configFile: string;
  /** How long a clean stop may take before SIGKILL, in ms. */
  readonly stopGraceMs: number;
  /** Whether it finds other servers by DNS alone. */
  readonly needsNameServer: boolean;
  /** Makes the folders for its domains, and how to start the server in them. Throws `not-installed`. */
  prepare(site: Site, domains: readonly string[]): Promise<Command>;
  /** Writes the configuration; again with other ports when the first were taken. */
  configure(site: Site, settings: SiteSettings): Promise<void>;
  /** Judges what the log has gained since the start. */
  readLog(log: string, ports: SandboxPorts): StartState;
  /** Makes accounts on the running server. */
  addAccounts(site: Site, accounts: readonly SandboxAccount[]): Promise<void>;
}

/**
 * How long a server waits for another to be sure who it is, in seconds. As shipped it is a minute and a half, or two, and as long nothing
 * goes between them where a connection broke in the middle of it.
 */
export const DIALBACK_SECONDS = 5;

/** What its JID is made of. */
export function partsOf({ jid }: SandboxAccount): { readonly localPart: string; readonly domain: string } {
  const at = jid.indexOf("@");
  return { localPart: jid.slice(0, at), domain: jid.slice(at + 1) };
}
