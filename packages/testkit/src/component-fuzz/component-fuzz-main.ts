// `npm -s run fuzz:component -- --count N --seed N --server S`
import { fuzzComponent } from "./component-fuzz.js";
import { runFuzzCommand } from "../base/fuzz-command.js";

await runFuzzCommand(
  "fuzz:component",
  "Sends mutated frames and requests from several sessions to a live component behind a real server. Others use it too.",
  fuzzComponent,
  ["prosody", "ejabberd"],
);
