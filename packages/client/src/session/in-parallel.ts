/** Number of requests that restore a link at the same time. */
const CONCURRENCY = 32;

/** Acts on all items, at most 32 at the same time. Rejects with the first rejection. */
export async function inParallel<T>(items: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const next = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let item = next.next(); item.done !== true; item = next.next()) await act(item.value);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
