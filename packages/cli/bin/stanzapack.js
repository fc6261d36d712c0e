#!/usr/bin/env node
// Committed, because npm links no command whose file is missing at install time; the rest is built into ../dist.
import { guardOutput } from "./whole-output.js";

guardOutput();
let main;
try {
  ({ main } = await import("../dist/main.js"));
} catch (error) {
  if (error?.code !== "ERR_MODULE_NOT_FOUND") throw error;
  process.stderr.write(`${error.message}\n`);
  process.stderr.write("stanzapack: internal: this clone is not built yet: run `npm run setup` in it\n");
  process.exit(1);
}
await main(process.argv.slice(2));
