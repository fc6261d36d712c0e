import { readFileSync } from "node:fs";
import { Command } from "commander";
import { addBench } from "./commands/bench/bench.js";
import { addCall } from "./commands/call.js";
import { addCursors } from "./commands/cursors.js";
import { addDoctor } from "./commands/doctor.js";
import { addEstimate } from "./commands/estimate.js";
import { addMap } from "./commands/map.js";
import { addOffer } from "./commands/offer.js";
import { addPurge } from "./commands/purge.js";
import { addSandbox } from "./commands/sandbox.js";
import { addServe } from "./commands/serve.js";
import { addNodes } from "./commands/nodes.js";
import { addServices } from "./commands/services.js";
import { addSubscribe } from "./commands/subscribe.js";
import { addTop } from "./commands/top.js";

/** The whole command line. Wrong usage throws `CommanderError` instead of ending the process. */
export function createProgram(): Command {
  const program = new Command("stanzapack");
  program
    .description("Compact real-time data streams inside XMPP.")
    .version(readVersion(), "--version", "print the version")
    .helpOption("-h, --help", "show the help of the command")
    .helpCommand(false)
    .usage("COMMAND …")
    .exitOverride()
    // `reportFailure` writes this failure too, so that all failures look alike.
    .configureOutput({ outputError: () => undefined })
    .addHelpText("after", FIVE_MINUTES);
  const commands = [
    addSandbox,
    addServe,
    addOffer,
    addSubscribe,
    addNodes,
    addServices,
    addCursors,
    addMap,
    addCall,
    addTop,
    addDoctor,
    addPurge,
    addEstimate,
    addBench,
  ];
  for (const add of commands) add(program);
  return program;
}

const FIVE_MINUTES = `
Five minutes, with Prosody or ejabberd installed:
  $ stanzapack sandbox                                        # its last lines name the files below
  $ . /tmp/stanzapack-prosody-…/env/user0; stanzapack offer clock --every 1s -- date +%T
  $ . /tmp/stanzapack-prosody-…/env/user1; stanzapack subscribe user0@localhost/clock
`;

function readVersion(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
