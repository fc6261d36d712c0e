import { startSandbox, type Sandbox, type SandboxAccount, type ServerKind } from "@stanzapack/sandbox";

/** Servers of this worker that no test uses now. To start one takes three seconds of a processor. */
const idle = new Map<ServerKind, Sandbox>();

/**
 * Returns a server with default settings that an earlier file of this worker may have used, or a new one. Its `accounts`
 * are those of `users`, in that order. `stop` leaves the server for the next file. The server ends with its worker.
 */
export async function borrowServer(server: ServerKind, users: readonly string[]): Promise<Sandbox> {
  const waiting = idle.get(server);
  idle.delete(server);
  const sandbox = waiting ?? (await startSandbox({ server, users }));
  const accounts: SandboxAccount[] = [];
  for (const user of users) {
    const known = sandbox.accounts.find(({ jid }) => jid === `${user}@${sandbox.domain}`);
    accounts.push(known ?? (await sandbox.addUser(user)));
  }
  const stop = async (): Promise<void> => {
    // Files of a worker run one after another. Only a file that has several stacks at once returns several servers.
    if (sandbox.running && !idle.has(server)) idle.set(server, sandbox);
    else await sandbox.stop();
  };
  // A prototype, since the process number and `running` change.
  return Object.create(sandbox, { accounts: { value: accounts }, stop: { value: stop } }) as Sandbox;
}
