import { createComponent, loadConfig, type ResolvedConfig } from "@stanzapack/component";
import type { StanzapackError } from "@stanzapack/wire";
import { type Command, Option } from "commander";
import { pino, type Logger } from "pino";
import { interruptible, untilAborted, type Interruption } from "../signals.js";

interface ServeOptions {
  readonly config: string;
  readonly check?: true;
  readonly child?: true;
}

export function addServe(program: Command): void {
  program
    .command("serve")
    .summary("run the component beside an XMPP server")
    .description(
      "Runs the Stanzapack component until SIGTERM or SIGINT, which first sends what waits; a second signal ends " +
        "it at once. The server must know the component: its domain, port and secret (XEP-0114). " +
        "Nothing goes to stdout; the log goes to stderr, one JSON object a line.",
    )
    .requiredOption("--config <file>", "YAML, see below")
    .option("--check", "only check the config file")
    // For `stanzapack sandbox`: says over Node's IPC channel when it is ready, and ends with its parent.
    .addOption(new Option("--child").hideHelp())
    .addHelpText(
      "after",
      `
Config file, only \`component\` is needed:
  component:
    domain: streams.example.org   # as the server's configuration names it
    host: 127.0.0.1
    port: 5347
    secretFile: secret            # beside the config file; mode 0600
  store: memory
  log: { level: info }            # trace debug info warn error silent

Examples:
  $ stanzapack serve --config stanzapack.yaml
  $ stanzapack serve --config stanzapack.yaml --check
  $ stanzapack serve --config stanzapack.yaml 2> >(npx pino-pretty >&2)`,
    )
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const config = await loadConfig(options.config);
  if (options.check) {
    process.stderr.write(`${options.config}: good\n`);
    return;
  }
  await interruptible((interruption) => run(config, options.child === true, interruption));
}

async function run(config: ResolvedConfig, child: boolean, interruption: Interruption): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  interruption.signal.addEventListener("abort", end);
  if (child) {
    process.once("disconnect", end);
    if (!process.connected) end();
  }
  const component = createComponent(config, { logger: createLogger(config) });
  let ended: StanzapackError | undefined;
  component.onEnded = (error) => {
    ended = error;
    end();
  };
  try {
    await component.start({ signal: ending.signal });
    if (child && process.connected) process.send?.("ready");
    await untilAborted(ending.signal);
  } finally {
    await component.stop();
    if (child && process.connected) process.disconnect();
  }
  if (ended !== undefined) throw ended;
}

function createLogger(config: ResolvedConfig): Logger {
  const destination = pino.destination({ dest: 2, sync: true });
  // Whoever read the log is gone: the component goes on.
  destination.on("error", () => undefined);
  return pino({ level: config.log.level }, destination);
}
