import { readConfig } from "@stanzapack/component";
import { StanzapackError } from "@stanzapack/wire";
import { parseServiceUrl, prepareBareJid, toAsciiDomain, type TransportKind } from "@stanzapack/xmpp";
import { required, type ConnectionOptions } from "../base/connection-options.js";
import { ChecksFailed, UsageError } from "../base/failure.js";
import { interruptible } from "../base/signals.js";
import type { ClientTarget } from "../doctor/client/client-state.js";
import { failedChecks, formatOutcome, formatVerdict, toRow } from "../doctor/base/report.js";
import type { Outcome, RunHooks } from "../doctor/base/runner.js";
import { checkClientSide, checkComponentSide, CLIENT_SIDE, COMPONENT_SIDE } from "../doctor/sides.js";

export interface DoctorOptions extends ConnectionOptions {
  readonly config?: string;
  readonly websocketUrl?: string;
  readonly boshUrl?: string;
  /** In kB a second. */
  readonly load?: number;
  readonly json?: true;
}

export async function doctor(options: DoctorOptions): Promise<void> {
  const { config, json } = options;
  const hasConfig = config !== undefined || Boolean(process.env["STANZAPACK_COMPONENT_DOMAIN"]);
  if (!hasConfig && options.jid === undefined)
    throw new UsageError(
      "give --config to check the component's side, --jid to check a client's side, or both",
    );
  const target = options.jid === undefined ? undefined : await toTarget(options, hasConfig);
  const total = (hasConfig ? COMPONENT_SIDE.length : 0) + (target === undefined ? 0 : CLIENT_SIDE.length);
  const outcomes: Outcome[] = [];
  const screen = createScreen(total, json === true, target !== undefined && hasConfig);
  await interruptible(async ({ signal }) => {
    const hooks: RunHooks = {
      onBegin: screen.begin,
      onOutcome(outcome) {
        outcomes.push(outcome);
        screen.end(outcome);
      },
    };
    if (hasConfig) await checkComponentSide(config, signal, hooks);
    if (target !== undefined) await checkClientSide(target, signal, hooks);
  });
  screen.clear();
  if (outcomes.length < total)
    throw new StanzapackError("aborted", `interrupted after ${outcomes.length} of ${total} checks`);
  if (json === true) process.stdout.write(`${JSON.stringify(outcomes.map(toRow))}\n`);
  else process.stdout.write(`\n${formatVerdict(outcomes)}\n`);
  const failed = failedChecks(outcomes);
  if (failed.length > 0)
    throw new ChecksFailed(`failed: ${failed.join(", ")}. Each has a line that says how to fix it.`);
}

interface Screen {
  readonly begin: (id: string) => void;
  readonly end: (outcome: Outcome) => void;
  readonly clear: () => void;
}

/** The line of a side, the lines of its checks, and on a terminal the check that runs. */
function createScreen(total: number, json: boolean, both: boolean): Screen {
  let count = 0;
  let side = "";
  const clear = (): void => {
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  };
  return {
    clear,
    begin(id: string): void {
      count++;
      clear();
      if (process.stderr.isTTY) process.stderr.write(`${count} of ${total}: ${id} …`);
    },
    end(outcome: Outcome): void {
      clear();
      if (json) return;
      if (both && outcome.check.side !== side) {
        process.stdout.write(`${side === "" ? "" : "\n"}From the ${outcome.check.side}'s side\n`);
        ({ side } = outcome.check);
      }
      process.stdout.write(`${formatOutcome(outcome)}\n`);
    },
  };
}

/** Undefined if the config has faults and nothing else names the component: the config is to be mended first. */
async function toTarget(options: DoctorOptions, hasConfig: boolean): Promise<ClientTarget | undefined> {
  const component = options.component ?? (hasConfig ? await domainOf(options.config) : undefined);
  if (component === undefined && hasConfig) return undefined;
  const jid = prepared(required(options, "jid"));
  const domain = jid.slice(jid.indexOf("@") + 1);
  const given: Partial<Record<TransportKind, string>> = {};
  for (const [flag, url, kind] of [
    ["--url", options.url, undefined],
    ["--websocket-url", options.websocketUrl, "websocket"],
    ["--bosh-url", options.boshUrl, "bosh"],
  ] as const)
    if (url !== undefined) given[transportOf(flag, url, kind)] = url;
  return {
    ...{ jid, domain, asciiDomain: toAsciiDomain(domain), given },
    passwordFile: required(options, "passwordFile"),
    component: required({ ...options, ...(component !== undefined && { component }) }, "component"),
    caFile: options.ca,
    loadBytesPerSecond: options.load === undefined ? undefined : options.load * 1_000,
  };
}

/** Undefined if the config has faults. */
async function domainOf(file: string | undefined): Promise<string | undefined> {
  return readConfig(file).then(
    ({ component }) => component.domain,
    () => undefined,
  );
}

function prepared(jid: string): string {
  try {
    const bare = prepareBareJid(jid);
    if (bare.includes("@")) return bare;
  } catch {
    // The error below says what to write.
  }
  throw new UsageError(`\`--jid ${jid}\`: write a JID as user@domain`);
}

function transportOf(flag: string, url: string, expected: TransportKind | undefined): TransportKind {
  try {
    const { transport } = parseServiceUrl(url);
    if (expected === undefined || transport === expected) return transport;
  } catch (error) {
    throw new UsageError(`\`${flag}\`: ${(error as Error).message}`);
  }
  throw new UsageError(`\`${flag} ${url}\` is no address of ${expected === "bosh" ? "BOSH" : "WebSocket"}`);
}
