import type { Command } from "commander";
import { addBystanders } from "./bystanders.js";
import { addCatchUp } from "./catchup.js";
import { addCodec } from "./codec.js";
import { addBenchComponent } from "./component.js";
import { addFanOut } from "./fan-out.js";
import { addJoiners } from "./joiners.js";
import { addJournal } from "./journal.js";
import { addReturn } from "./return.js";
import { addSlowServer } from "./slow-server.js";
import { addWire } from "./wire.js";

export function addBench(program: Command): void {
  const bench = program
    .command("bench")
    .summary("measure Stanzapack on this machine")
    .description("Measures Stanzapack on its own private servers. Works only in a clone of the repository.");
  bench.action(() => bench.help({ error: true }));
  addFanOut(bench);
  addBenchComponent(bench);
  addJoiners(bench);
  addSlowServer(bench);
  addBystanders(bench);
  addReturn(bench);
  addWire(bench);
  addCodec(bench);
  addJournal(bench);
  addCatchUp(bench);
}
