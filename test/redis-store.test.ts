import { startPrivateRedis, type PrivateRedis } from "@stanzapack/testkit";
import { afterAll, beforeAll } from "vitest";
import { storeSuite } from "../packages/component/src/testing/store-suite.js";
import { openTestStore } from "./support/redis-store.js";

// The store on a real Redis: the suite of all stores.

let redis: PrivateRedis;

beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.close());

storeSuite("a store on Redis", {
  durabilities: ["none", "interval", "sync"],
  open: async (options) => (await openTestStore(redis, options)).store,
});
