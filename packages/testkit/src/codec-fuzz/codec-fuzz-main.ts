// `npm -s run fuzz:codec -- --count N --seed N`
import { fuzzCodecInWorkers } from "./codec-fuzz-workers.js";
import { runFuzzCommand } from "../base/fuzz-command.js";

await runFuzzCommand(
  "fuzz:codec",
  "Gives damaged, truncated and hostile batches to the columnar codec, and checks that undamaged batches arrive.",
  fuzzCodecInWorkers,
);
