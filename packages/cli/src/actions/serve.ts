import {
  createComponent,
  createLogger,
  formatConfig,
  loadConfig,
  type ResolvedConfig,
  type StreamsComponent,
} from "@stanzapack/component";
import { StanzapackError } from "@stanzapack/wire";
import type { Logger } from "pino";
import { describeExposure } from "../base/exposed-file.js";
import { UsageError } from "../base/failure.js";
import type { Dashboard } from "../serve/dashboard-module.js";
import { startDashboard } from "../serve/dashboard.js";
import { interruptible, untilAborted, type Interruption } from "../base/signals.js";

export interface ServeOptions {
  readonly config?: string;
  readonly check?: true;
  readonly printConfig?: true;
  readonly dashboard?: true;
  readonly exitOnFailure?: true;
  readonly child?: true;
}

export async function serve(options: ServeOptions): Promise<void> {
  const { config: file } = options;
  if (file === undefined && !process.env["STANZAPACK_COMPONENT_DOMAIN"])
    throw new UsageError(
      "required option '--config <file>' not specified; without a file, set STANZAPACK_COMPONENT_DOMAIN",
    );
  const config = await loadConfig(file);
  const { secretFile } = config.component;
  const exposed = secretFile === undefined ? undefined : await describeExposure(secretFile);
  if (options.check || options.printConfig) {
    if (options.printConfig) process.stdout.write(formatConfig(config, file));
    if (exposed !== undefined) process.stderr.write(`warning: ${exposed}\n`);
    process.stderr.write(`${file ?? "environment"}: good\n`);
    if (config.store?.kind === "lmdb") process.stderr.write(`store: ${config.store.path}\n`);
    return;
  }
  const logger = createLogger(config.log.level);
  if (exposed !== undefined) logger.warn({ file: secretFile }, `the secret is exposed: ${exposed}`);
  // SIGHUP does not end the process: it reads the config file again.
  await interruptible(
    (interruption) => run(config, file, options, logger, interruption),
    ["SIGINT", "SIGTERM"],
  );
}

async function run(
  config: ResolvedConfig,
  file: string | undefined,
  { child, dashboard: withDashboard, exitOnFailure }: ServeOptions,
  logger: Logger,
  interruption: Interruption,
): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  interruption.signal.addEventListener("abort", end);
  if (child === true) {
    process.once("disconnect", end);
    if (!process.connected) end();
  }
  const component = createComponent(config, { logger, reconnect: exitOnFailure !== true });
  let ended: StanzapackError | undefined;
  component.onEnded = (error) => {
    ended = error;
    end();
  };
  let reloading = Promise.resolve();
  // Reloads run one after another, so that the file that was read last is in force.
  const hangUp = (): void => void (reloading = reloading.then(() => reload(component, file, logger)));
  process.on("SIGHUP", hangUp);
  let dashboard: Dashboard | undefined;
  try {
    if (withDashboard === true) dashboard = await startDashboard(config, logger);
    await component.start({ signal: ending.signal });
    if (child === true && process.connected) process.send?.("ready");
    await untilAborted(ending.signal);
  } finally {
    process.off("SIGHUP", hangUp);
    await dashboard?.stop();
    await component.stop();
    if (child === true && process.connected) process.disconnect();
  }
  if (ended !== undefined) throw ended;
}

async function reload(component: StreamsComponent, file: string | undefined, logger: Logger): Promise<void> {
  let config: ResolvedConfig;
  try {
    config = await loadConfig(file);
  } catch (error) {
    const text = error instanceof StanzapackError ? error.text : String(error);
    logger.error({ file }, `the config file has faults, so nothing changes: ${text}`);
    return;
  }
  const { changed, needsRestart } = component.reload(config);
  logger.info({ file, changed }, "config file read again");
  if (needsRestart.length > 0)
    logger.warn({ file, needsRestart }, `only a restart changes ${needsRestart.join(", ")}`);
}
