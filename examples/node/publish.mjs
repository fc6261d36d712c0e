// Offers the load of this machine, ten times a second.
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
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

const service = await her.offer("load", { access: "open", title: "Load average, one minute" });
service.on("demand", ({ subscribers, windowMs }) =>
  console.log(subscribers === 0 ? "nobody listens" : `${subscribers} listen, in windows of ${windowMs} ms`),
);
setInterval(() => service.publish(loadavg()[0]), 100);
