import {
  createComponent,
  loadConfig,
  type ResolvedConfig,
  type StreamsComponent,
} from "@stanzapack/component";
import { StanzapackError } from "@stanzapack/wire";
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
        "it at once. SIGHUP has the config file read again: limits and log level hold from then on, the rest needs a restart; " +
        "a file with faults changes nothing. The server must know the component: its domain, port and secret (XEP-0114). " +
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
    tls: false                    # true, or { caFile, serverName }: TLS to the port, where the server has it (ejabberd)
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
  await interruptible((interruption) => run(config, options, interruption));
}

async function run(
  config: ResolvedConfig,
  { config: file, child }: ServeOptions,
  interruption: Interruption,
): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  interruption.signal.addEventListener("abort", end);
  if (child === true) {
    process.once("disconnect", end);
    if (!process.connected) end();
  }
  const logger = createLogger(config);
  const component = createComponent(config, { logger });
  let ended: StanzapackError | undefined;
  component.onEnded = (error) => {
    ended = error;
    end();
  };
  let reloading = Promise.resolve();
  // One after another: the file read last is in force.
  const hangUp = (): void => void (reloading = reloading.then(() => reload(component, file, logger)));
  process.on("SIGHUP", hangUp);
  try {
    await component.start({ signal: ending.signal });
    if (child === true && process.connected) process.send?.("ready");
    await untilAborted(ending.signal);
  } finally {
    process.off("SIGHUP", hangUp);
    await component.stop();
    if (child === true && process.connected) process.disconnect();
  }
  if (ended !== undefined) throw ended;
}

async function reload(component: StreamsComponent, file: string, logger: Logger): Promise<void> {
  let config: ResolvedConfig;
  try {
    config = await loadConfig(file);
  } catch (error) {
    const text = error instanceof StanzapackError ? error.text : String(error);
    logger.error({ file }, `the config file has faults, everything stays as it was: ${text}`);
    return;
  }
  const { changed, needsRestart } = component.reload(config);
  logger.info({ file, changed }, "config file read again");
  if (needsRestart.length > 0)
    logger.warn({ file, needsRestart }, `only a restart changes ${needsRestart.join(", ")}`);
}

function createLogger(config: ResolvedConfig): Logger {
  const destination = pino.destination({ dest: 2, sync: true });
  // Whoever read the log is gone: the component goes on.
  destination.on("error", () => undefined);
  return pino({ level: config.log.level }, destination);
}
