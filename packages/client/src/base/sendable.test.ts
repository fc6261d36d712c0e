import { expect, it } from "vitest";
import type {
  ChangeOptions,
  Client,
  ConnectOptions,
  OfferedService,
  OfferOptions,
  SubscribeOptions,
} from "../index.js";

interface Wind {
  readonly speed: number;
  readonly gust?: number;
}
interface Reading {
  readonly at: string;
  readonly wind: Wind;
  readonly tags: readonly string[];
  readonly raw?: Uint8Array | undefined;
  readonly more: Readonly<Record<string, Wind>>;
}

/** Never called. The test is that it compiles. */
export async function compiles(client: Client): Promise<void> {
  const readings = await client.offer<Reading>("reading", { title: process.env["TITLE"] });
  readings.publish({ at: "now", wind: { speed: 1, gust: undefined as never }, tags: [], more: {} });
  readings.publish({ at: "now", wind: { speed: 1 }, tags: ["a"], raw: undefined, more: { a: { speed: 1 } } });
  // @ts-expect-error: no such value
  readings.publish(7);
  const any: OfferedService<never> = readings;
  const winds = await client.subscribe<Wind>("alice@example.org/wind", { windowMs: undefined });
  for await (const { value } of winds) value.speed.toFixed();
  (await client.offer("plain")).publish({ a: [1, "b", null] });
  (await client.offer<Wind | string | null>("either")).publish(null);
  (await client.offer<[number, Wind]>("pair")).publish([1, { speed: 1 }]);
  await any.stop();
  const typed: OfferedService<Reading> = readings;
  const dates = await client.offer<{ at: Date }>("dates");
  // @ts-expect-error: a Date has methods
  dates.publish({ at: new Date() });
  const big = await client.offer<{ n: bigint }>("big");
  // @ts-expect-error: JSON has no bigint
  big.publish({ n: 1n });
  const maps = await client.offer<Map<string, number>>("maps");
  // @ts-expect-error: nor Maps
  maps.publish(new Map<string, number>());
  await typed.stop();
}

it("takes undefined for every option that may be left out", () => {
  const connect: Required<{
    [K in keyof Omit<ConnectOptions, "jid" | "password" | "component">]: undefined;
  }> = {
    components: undefined,
    ...{ url: undefined, urls: undefined, ca: undefined, compress: undefined, resource: undefined },
    ...{
      pacing: undefined,
      envelope: undefined,
      timeoutMs: undefined,
      inactive: undefined,
      startOffline: undefined,
      signal: undefined,
    },
  };
  const options: ConnectOptions = { jid: "a@b", password: "p", component: "c", ...connect };
  const offer: OfferOptions = { kind: undefined, members: undefined, authorize: undefined, store: undefined };
  const change: ChangeOptions = { fields: undefined, windowMs: undefined };
  const subscribe: SubscribeOptions<number> = {
    ...change,
    parse: undefined,
    onPending: undefined,
    since: undefined,
  };
  expect([options, offer, subscribe]).toHaveLength(3);
});
