import { setMaxListeners } from "node:events";

/** Runs something on all servers at once. If it fails on one, the signal of the others fires, and this rejects. */
export async function runSideBySide<Server>(
  servers: readonly Server[],
  given: AbortSignal,
  run: (server: Server, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const signal = AbortSignal.any([given, stopping.signal]);
  // Every client and every wait listens to this signal.
  setMaxListeners(0, signal);
  const results = await Promise.allSettled(
    servers.map(async (server) => {
      try {
        await run(server, signal);
      } catch (error) {
        stopping.abort();
        throw error;
      }
    }),
  );
  given.throwIfAborted();
  const failures = results.flatMap((it) => (it.status === "rejected" ? [it.reason as Error] : []));
  const [failure] = failures.filter(({ name }) => name !== "AbortError").concat(failures);
  if (failure !== undefined) throw failure;
}
