// `npm -s run fuzz:bosh -- --count N --seed N`
import { fuzzBosh } from "./bosh-fuzz.js";
import { runFuzzCommand } from "../base/fuzz-command.js";

await runFuzzCommand(
  "fuzz:bosh",
  "Gives BOSH clients right, mutated and hostile answers, and checks what each comes to.",
  fuzzBosh,
);
