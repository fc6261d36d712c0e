import { storeSuite } from "../../testing/store-suite.js";
import { storeOptions } from "../../testing/stores.js";
import { MemoryStore } from "./memory-store.js";

storeSuite("a store in memory", {
  durabilities: ["none", "sync"],
  open: async (asked) => {
    const options = storeOptions(asked);
    return new MemoryStore({ ...options, shares: options.memoryShares, now: () => 1e12 });
  },
});
