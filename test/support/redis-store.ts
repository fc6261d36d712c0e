import type { PrivateRedis } from "@stanzapack/testkit";
import { onTestFinished } from "vitest";
import type { StoreDamage } from "../../packages/component/src/store/base/store-options.js";
import {
  openRedisStore,
  type RedisStoreOptions,
} from "../../packages/component/src/store/redis/redis-store.js";
import type { Store } from "../../packages/component/src/store/store.js";
import { storeOptions } from "../../packages/component/src/testing/stores.js";

/** A store on Redis, and what it has reported. */
export interface TestStore {
  readonly store: Store;
  readonly prefix: string;
  readonly damage: readonly StoreDamage[];
  readonly problems: readonly unknown[];
  readonly warnings: readonly string[];
}

let count = 0;

/** Opens a store on Redis, empty unless `prefix` is of an earlier one. It is closed when the test is over. */
export async function openTestStore(
  { host, port }: Pick<PrivateRedis, "host" | "port">,
  options: Partial<RedisStoreOptions> = {},
): Promise<TestStore> {
  const [damage, problems, warnings] = [[] as StoreDamage[], [] as unknown[], [] as string[]];
  const prefix = options.prefix ?? `test${++count}:`;
  const store = await openRedisStore({
    ...storeOptions(options),
    ...{ server: { host, port }, replicas: 0 },
    onDamage: (each) => damage.push(each),
    onProblem: (error) => problems.push(error),
    onWarning: (text) => warnings.push(text),
    ...options,
    prefix,
  });
  onTestFinished(() => store.close().catch(() => undefined));
  return { store, prefix, damage, problems, warnings };
}
