import { StanzapackError } from "@stanzapack/wire";

/** Web Locks, as far as they are needed: https://www.w3.org/TR/web-locks/ */
interface LockManager {
  request(
    name: string,
    options: { readonly ifAvailable: true },
    act: (lock: object | null) => Promise<void>,
  ): Promise<void>;
}

/**
 * Locks the store, because IndexedDB lets every tab write. Resolves to a function that releases the lock. Rejects with
 * `store-failed` while another tab has the lock.
 */
export function holdLocation(location: string): Promise<() => void> {
  const { locks } = (globalThis as unknown as { navigator: { readonly locks: LockManager } }).navigator;
  return new Promise((resolve, reject) => {
    const act = (lock: object | null): Promise<void> => {
      if (lock === null)
        throw new StanzapackError("store-failed", `the store ${location} is open in another tab`, {
          retryable: true,
        });
      return new Promise((letGo) => resolve(letGo));
    };
    locks.request(`stanzapack ${location}`, { ifAvailable: true }, act).catch(reject);
  });
}
