import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type Client } from "@stanzapack/client";
import { startComponentProcess, startSandbox, type Sandbox, type ServerKind } from "@stanzapack/sandbox";
import { onTestFinished } from "vitest";
import { credentialsOf, domainOf } from "./accounts.js";
import { COMMAND } from "./program.js";

/** A private server, and a component with a store in a process of its own. */
export interface StoredStack {
  readonly sandbox: Sandbox;
  /** A folder for files of the test, which is removed with the stack. The store is in it by default. */
  readonly folder: string;
  /** An SDK client, which is closed with the test. */
  login(user: string): Promise<Client>;
  /** Ends the component by this signal. */
  end(by: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts the component again, with the same store. Resolves when it is connected. */
  start(): Promise<void>;
  /** `end`, then `start`. */
  restart(by: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Ends the component by this signal, default SIGTERM, and the server. */
  stop(by?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/**
 * `storePath`: directory of the store, by default in `folder`. `admins`: bare JIDs, by default none. `store`: the key of
 * the config for another store.
 */
export async function startStoredStack(
  server: ServerKind,
  users: readonly string[],
  storePath?: string,
  admins: readonly string[] = [],
  store?: Readonly<Record<string, unknown>>,
): Promise<StoredStack> {
  const { signal } = new AbortController();
  const sandbox = await startSandbox({ server, users });
  const folder = mkdtempSync(join(tmpdir(), "stanzapack-stored-"));
  const component = await startComponentProcess(sandbox, {
    ...{ command: COMMAND, signal, storePath: storePath ?? join(folder, "store"), logLevel: "error" },
    ...{ admins, store },
  });
  return {
    ...{ sandbox, folder },
    async login(user) {
      const client = await connect({ ...credentialsOf(sandbox, user), component: domainOf(sandbox) });
      onTestFinished(() => client.close());
      return client;
    },
    end: (by) => component.end(by),
    start: () => component.start(signal),
    async restart(by) {
      await component.end(by);
      await component.start(signal);
    },
    async stop(by = "SIGTERM") {
      await component.end(by);
      await sandbox.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
