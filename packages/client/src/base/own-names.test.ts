import { expect, it } from "vitest";
import { withOwnNames } from "./own-names.js";

it.each([
  ["pubsub#digest_frequency `1.5` is not a whole number", "windowMs `1.5` is not a whole number"],
  ["option `{urn:stanzapack:0}max_rate`: `x` is not a number", "option `maxRate`: `x` is not a number"],
  [
    "heartbeat 5 is no number from 1000 to 86400000 ms",
    "heartbeatMs 5 is no number from 1000 to 86400000 ms",
  ],
  ["leave samples, max_rate and deadband out", "leave samples, maxRate and deadband out"],
  ["{urn:stanzapack:0}fields and pubsub#title, {urn:stanzapack:0}take_over", "fields and title, takeOver"],
  ["the node `heartbeat` is not offered", "the node `heartbeat` is not offered"],
])("%s: %s", (text, own) => {
  expect(withOwnNames(text)).toBe(own);
});
