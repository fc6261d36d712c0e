// A user's program, in CommonJS. test/packaging.test.ts compiles and runs it, and also runs it as an ES module.
import {
  Client,
  connect,
  OfferedService,
  Subscription,
  type ConnectOptions,
  type StanzapackError,
} from "@stanzapack/client";
import { openOutboxStore, type OutboxStoreOptions } from "@stanzapack/client/store";

interface Reading {
  readonly celsius: number;
  readonly note?: string;
}

export async function use(client: Client, store: OutboxStoreOptions): Promise<void> {
  const service: OfferedService<Reading> = await client.offer<Reading>("reading", {
    kind: "log",
    title: process.env["TITLE"],
    store: await openOutboxStore("/nowhere", { ...store, sync: undefined }),
  });
  service.publish({ celsius: 21.4 });
  const readings: Subscription<Reading> = await client.subscribe<Reading>(service.node, {
    windowMs: undefined,
  });
  readings.once("update", ({ value }) => value.celsius.toFixed());
  await readings.change({ fields: undefined, maxRate: null });
  // @ts-expect-error: internal
  readings.subid.at(0);
  // @ts-expect-error: internal
  await client.open();
  // @ts-expect-error: only the client makes one
  new Subscription();
  // @ts-expect-error: only the client makes one
  new OfferedService();
  // @ts-expect-error: only `connect` makes one
  new Client();
}

const options: ConnectOptions = {
  ...{ jid: "alice@localhost", password: "wrong", component: "streams.localhost", timeoutMs: 20_000 },
  url: process.argv[2],
  ca: process.env["STANZAPACK_CA_TEXT"],
};
connect(options).catch((error: StanzapackError) => process.stdout.write(error.code));
