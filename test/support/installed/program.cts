// A user's program, in a project of its own: publishes a value, and receives it. test/installed.test.ts compiles,
// bundles and runs it, as an ES module too.
import { connect, type ConnectOptions, type Update } from "@stanzapack/client";

interface Reading {
  readonly celsius: number;
}

async function main(options: ConnectOptions): Promise<void> {
  const client = await connect(options);
  try {
    const service = await client.offer<Reading>("installed");
    const readings = await client.subscribe<Reading>(service.node);
    const first = new Promise<Update<Reading>>((resolve) => readings.once("update", resolve));
    service.publish({ celsius: 21.5 });
    console.log(JSON.stringify((await first).value));
    await service.stop();
  } finally {
    await client.close();
  }
}

main(JSON.parse(process.argv[2] ?? "{}") as ConnectOptions).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
