// `npm -s run fuzz:ibb -- --count N --seed N`
import { runFuzzCommand } from "../base/fuzz-command.js";
import { fuzzIbb } from "./ibb-fuzz.js";

await runFuzzCommand(
  "fuzz:ibb",
  "Sends mutated stanzas to a manager of In-Band Bytestreams, and checks every answer against XEP-0047.",
  fuzzIbb,
);
