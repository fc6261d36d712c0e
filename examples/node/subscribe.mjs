// Subscribes to another account's load: ten values in windows of 1 s, then ten in windows of 200 ms.
import { readFileSync } from "node:fs";
import { connect } from "@stanzapack/client";

const { STANZAPACK_JID, STANZAPACK_PASSWORD_FILE, STANZAPACK_COMPONENT, STANZAPACK_URL, STANZAPACK_CA } =
  process.env;
const me = await connect({
  jid: STANZAPACK_JID,
  password: readFileSync(STANZAPACK_PASSWORD_FILE, "utf8").trim(),
  component: STANZAPACK_COMPONENT,
  url: STANZAPACK_URL,
  ca: STANZAPACK_CA && readFileSync(STANZAPACK_CA, "utf8"),
});

const load = await me.subscribe(process.argv[2], { windowMs: 1000 });
load.on("lost", ({ from, to, reason }) => console.log(`missed ${from} to ${to}: ${reason}`));

let count = 0;
for await (const { value, at } of load) {
  console.log(new Date(at).toISOString(), value);
  if (++count === 10) await load.change({ windowMs: 200 });
  if (count === 20) break; // ends the subscription
}
await me.close();
