// `npm -s run fuzz:ibb -- --count N --seed N`
import { runFuzzCommand } from "../base/fuzz-command.js";
import { fuzzIbb } from "./ibb-fuzz.js";

await runFuzzCommand(
  "fuzz:ibb",
  "Gives a manager of In-Band Bytestreams mutated stanzas, and checks every answer against XEP-0047.",
  fuzzIbb,
);
