import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";

export interface DemoOptions {
  readonly server: ServerKind;
  readonly transport: TransportKind;
  /** Whether to use stream compression (XEP-0138), over TCP. */
  readonly compress: boolean;
  /** Length of the measurement, in ms. Undefined: until it is interrupted. */
  readonly for: number | undefined;
  readonly json: boolean;
}

/** Thrown if the command line was wrong, or only asked for help. The text for the user is already written. */
export class NothingToRun extends Error {
  override readonly name = "NothingToRun";
  constructor(readonly exitCode: 0 | 2) {
    super("nothing to run");
  }
}

/** Reads the command line. Throws `NothingToRun` after it has written why. */
export function parseOptions(args: readonly string[]): DemoOptions {
  const command = createCommand();
  try {
    command.parse(args, { from: "user" });
    const { transport, compress } = command.opts<Partial<DemoOptions>>();
    if (compress === true && transport !== "tcp")
      command.error("error: option '--compress' needs '--transport tcp'", { exitCode: 2 });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new NothingToRun(error.exitCode === 0 ? 0 : 2);
  }
  const {
    server,
    transport,
    compress = false,
    for: forMs,
    json = false,
  } = command.opts<Partial<DemoOptions>>();
  return { server: server ?? "prosody", transport: transport ?? "tcp", compress, for: forMs, json };
}

function createCommand(): Command {
  return new Command("npm -s start --")
    .description(
      "Starts a private XMPP server, the Stanzapack component, publishers with live input and one subscriber. Sends the " +
        "same values as JSON messages too. Shows the traffic while it runs, and the bytes of each form at the end.",
    )
    .addOption(
      new Option("--server <kind>", "XMPP server").choices(["prosody", "ejabberd"]).default("prosody"),
    )
    .addOption(
      new Option("--transport <kind>", "how clients connect")
        .choices(["tcp", "websocket", "bosh"])
        .default("tcp"),
    )
    .option("--compress", "compress the whole stream (XEP-0138) of every form; tcp only")
    .option("--for <duration>", "length of the run, such as 500ms, 20s, 2m (default: until Ctrl-C)", parseFor)
    .option("--json", "print one JSON array on stdout at the end, and all other text on stderr")
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "stanzapack: usage: ")),
    });
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** Longest time of Node's timers: 2³¹ − 1 ms, about 24 days. */
const MAX_FOR_MS = 2_147_483_647;

function parseFor(text: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const forMs = Math.round(Number(digits) * (UNITS_MS[unit] ?? NaN));
  if (!(forMs > 0 && forMs <= MAX_FOR_MS))
    throw new InvalidArgumentError("Write a duration above 0, like 500ms, 20s, 2m.");
  return forMs;
}
