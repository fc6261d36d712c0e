import { setMaxListeners } from "node:events";
import { connect, type Client } from "@stanzapack/client";
import type { ServerKind } from "@stanzapack/sandbox";
import { startSandboxProcess, type SandboxProcess } from "../demo/sandbox-process.js";

/** Resources of one account. It makes few accounts, and is below what servers allow. */
const RESOURCES = 10;

export interface CrowdOptions {
  readonly server: ServerKind;
  /** Number of clients beside the publisher. */
  readonly size: number;
  readonly signal: AbortSignal;
  readonly onProgress: ((text: string) => void) | undefined;
}

/** A private server, its component, a publisher, and many clients of few accounts. */
export class Crowd {
  private readonly clients: Client[] = [];

  private constructor(
    readonly sandbox: SandboxProcess,
    private readonly options: CrowdOptions,
  ) {}

  static async start(options: CrowdOptions): Promise<Crowd> {
    const { server, size, signal, onProgress } = options;
    // Every client listens to this signal.
    setMaxListeners(0, signal);
    onProgress?.(`starting ${server} and the component …`);
    return new Crowd(await startSandboxProcess(server, accountsFor(size) + 1, signal), options);
  }

  async publisher(): Promise<Client> {
    return await this.login(accountsFor(this.options.size));
  }

  /** Logs all clients in, one of each account at a time, and calls `greet` with each. */
  async gather(greet: (client: Client, index: number) => Promise<void>): Promise<void> {
    const { size, onProgress } = this.options;
    const accounts = accountsFor(size);
    for (let done = 0; done < size; done += accounts) {
      onProgress?.(`${done} of ${size} subscribers …`);
      await Promise.all(
        Array.from({ length: Math.min(accounts, size - done) }, async (_, account) =>
          greet(await this.login(account), done + account),
        ),
      );
    }
  }

  async stop(): Promise<void> {
    this.options.onProgress?.("stopping …");
    await Promise.all(this.clients.map((client) => client.close()));
    await this.sandbox.stop();
  }

  private async login(account: number): Promise<Client> {
    const { accounts, streams, road } = this.sandbox;
    const { jid, password } = accounts[account] as { jid: string; password: string };
    const { signal } = this.options;
    const client = await connect({
      ...{ jid, password, component: streams, timeoutMs: 60_000, signal },
      ...road,
    });
    this.clients.push(client);
    return client;
  }
}

function accountsFor(size: number): number {
  return Math.ceil(size / RESOURCES);
}
