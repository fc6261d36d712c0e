// `npm -s run fuzz:component -- --count N --seed N --server S`
import { fuzzComponent } from "./component-fuzz.js";
import { runFuzzCommand } from "../base/fuzz-command.js";

await runFuzzCommand(
  "fuzz:component",
  "Gives a live component behind a real server mutated frames and requests from several sessions, while others use it.",
  fuzzComponent,
  ["prosody", "ejabberd"],
);
