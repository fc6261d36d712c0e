// Offers a valve: its position is a value, and callers may read it and change it.
import { readFileSync } from "node:fs";
import { connect } from "@stanzapack/client";

const { STANZAPACK_JID, STANZAPACK_PASSWORD_FILE, STANZAPACK_COMPONENT, STANZAPACK_URL, STANZAPACK_CA } =
  process.env;
const her = await connect({
  jid: STANZAPACK_JID,
  password: readFileSync(STANZAPACK_PASSWORD_FILE, "utf8").trim(),
  component: STANZAPACK_COMPONENT,
  url: STANZAPACK_URL, // leave it out where the domain has SRV records
  ca: STANZAPACK_CA && readFileSync(STANZAPACK_CA, "utf8"), // only for a certificate of one's own authority
});

const valve = await her.offer("valve", { title: "Valve of tank 3, percent open" });
console.log(`offering ${valve.node}`);
let percent = 0;
valve.publish(percent);

valve.handle("status", () => ({ percent }));
valve.handle("open", (args, { caller }) => {
  const wanted = args?.percent;
  if (typeof wanted !== "number" || !(wanted >= 0 && wanted <= 100))
    throw new Error("give { percent } from 0 to 100"); // the caller receives `call-failed` with this text
  percent = wanted;
  valve.publish(percent); // subscribers see the change
  console.log(`${caller} opens the valve to ${percent} %`);
  return { percent };
});
valve.on("callFailed", ({ method, caller, error }) =>
  console.error(`${method} of ${caller}: ${error.message}`),
);
