// `npm -s run fuzz:codec -- --count N --seed N`
import { fuzzCodecInWorkers } from "./codec-fuzz-workers.js";
import { runFuzzCommand } from "../base/fuzz-command.js";

await runFuzzCommand(
  "fuzz:codec",
  "Gives the columnar codec damaged, truncated and hostile batches, and checks that what was not damaged arrives.",
  fuzzCodecInWorkers,
);
