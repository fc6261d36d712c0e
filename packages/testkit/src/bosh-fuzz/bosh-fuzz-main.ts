// `npm -s run fuzz:bosh -- --count N --seed N`
import { fuzzBosh } from "./bosh-fuzz.js";
import { runFuzzCommand } from "../base/fuzz-command.js";

await runFuzzCommand(
  "fuzz:bosh",
  "Sends correct, mutated and hostile answers to BOSH clients, and checks the outcome of each.",
  fuzzBosh,
);
