// A user's page, in a project of its own. test/installed.test.ts bundles it with Vite and with esbuild, and opens it.
import { connect, type ConnectOptions } from "@stanzapack/client";

async function main(): Promise<void> {
  const options = JSON.parse(decodeURIComponent(location.hash.slice(1))) as ConnectOptions;
  const client = await connect(options);
  const service = await client.offer<number>("page");
  const numbers = await client.subscribe<number>(service.node);
  numbers.on("update", ({ value }) => {
    document.title = `received ${value}`;
    void client.close();
  });
  service.publish(42);
}

main().catch((error: unknown) => (document.title = String(error)));
