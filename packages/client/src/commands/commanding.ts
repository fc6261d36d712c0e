import { StanzapackError } from "@stanzapack/wire";
import type { CommandsOptions } from "../options/command-options.js";
import { checkCommandStore, checked } from "../options/option-checks.js";
import { checkStoredCommands, type CommandStore, type StoredCommands } from "../store/command-store.js";
import { toStoreError } from "../store/outbox-store.js";
import type { CommandHost } from "./command-host.js";
import type { Commands } from "./commands.js";

/** Opens the queues of commands of a client, and closes them. */
export class Commanding {
  private readonly queues = new Set<Commands>();

  constructor(
    private readonly account: string,
    private readonly host: CommandHost,
    /** Throws `stopped` once the client is closed. */
    private readonly assertOpen: () => void,
  ) {}

  /** See `Client.commands`. */
  async open(store: CommandStore, options: CommandsOptions): Promise<Commands> {
    checkCommandStore("commands", store);
    const own = checked("commands", options);
    const fail = (error: unknown): never => {
      throw toStoreError(error, `opening the commands of ${this.account}`);
    };
    // Pages load this part on demand.
    const { continueCommands } = await import("./commands.js").catch((cause: unknown) => {
      throw new StanzapackError("unreachable", "the program's part for commands cannot be loaded", { cause });
    });
    const stored = await (async () => checkStoredCommands(await store.openCommands(this.account)))().catch(
      fail,
    );
    let commands: Commands;
    try {
      this.assertOpen();
      commands = continueCommands(this.host, stored, own);
    } catch (error) {
      await close(stored);
      throw error;
    }
    this.queues.add(commands);
    commands.once("ended", () => this.queues.delete(commands));
    commands.handOut();
    return commands;
  }

  /** Ends all queues. What they have stays in their stores. Undefined without queues. */
  close(): Promise<unknown> | undefined {
    if (this.queues.size === 0) return undefined;
    return Promise.all([...this.queues].map((commands) => commands.close()));
  }
}

async function close(stored: StoredCommands): Promise<void> {
  await (async () => stored.close())().catch(() => undefined);
}
