import type { Command } from "./server-process.js";
import type { Site, SiteSettings } from "./site.js";
import type { SandboxAccount, SandboxPorts, ServerKind } from "./types.js";

/** State of a server's start, by its log. */
export type StartState = "starting" | "ready" | "port-taken";

/** The differences between the servers. `startSandbox` does everything else. */
export interface Recipe {
  readonly kind: ServerKind;
  /** File names within the site. */
  readonly logFile: string;
  readonly configFile: string;
  /** Longest time of a clean stop before SIGKILL, in ms. */
  readonly stopGraceMs: number;
  /** Whether the server finds other servers only by DNS. */
  readonly needsNameServer: boolean;
  /**
   * Makes the folders for the domains, and returns the command that starts the server there. Throws `not-installed`.
   */
  prepare(site: Site, domains: readonly string[]): Promise<Command>;
  /** Writes the configuration. Called again with other ports if the first ports were taken. */
  configure(site: Site, settings: SiteSettings): Promise<void>;
  /** Judges the part of the log that is new since the start. */
  readLog(log: string, ports: SandboxPorts): StartState;
  /** Makes accounts on the running server. */
  addAccounts(site: Site, accounts: readonly SandboxAccount[]): Promise<void>;
}

/**
 * Longest wait for another server's proof of its identity (dialback), in seconds. The servers ship with 90 or 120 s. If
 * a connection breaks during the proof, the two servers exchange nothing for that time.
 */
export const DIALBACK_SECONDS = 5;

/** The parts of an account's JID. */
export function partsOf({ jid }: SandboxAccount): { readonly localPart: string; readonly domain: string } {
  const at = jid.indexOf("@");
  return { localPart: jid.slice(0, at), domain: jid.slice(at + 1) };
}
