import { EventEmitter, once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import {
  startComponentProcess,
  type ComponentProcess,
  type ComponentProcessOptions,
} from "./component-process.js";
import type { Sandbox } from "./types.js";

/** A command that is never ready. */
const NEVER = `setInterval(() => undefined, 1_000);`;
/** A command that does what `stanzapack serve --child` does, without a component. SIGHUP ends it with status 3. */
const READY = `
  process.on("SIGTERM", () => process.exit(0));
  process.on("SIGHUP", () => process.exit(3));
  ${NEVER}
  process.send("ready");
`;

let folder: string;
let sandbox: Sandbox;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "stanzapack-component-"));
  sandbox = {
    host: "127.0.0.1",
    ports: { c2s: 1, component: 5347, http: 2 },
    caFile: join(folder, "ca.pem"),
    components: [{ domain: "streams.localhost", secret: "s3cret" }],
  } as unknown as Sandbox;
});
afterEach(() => rm(folder, { recursive: true }));

async function start(
  script: string,
  options: Partial<ComponentProcessOptions> = {},
): Promise<ComponentProcess> {
  const command = join(folder, "command.cjs");
  await writeFile(command, script);
  const { signal } = new AbortController();
  const component = await startComponentProcess(sandbox, { command, signal, ...options });
  onTestFinished(() => component.end("SIGKILL"));
  return component;
}

/** The processes of the component: their command line names its config file. */
function processes(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
      } catch {
        return false; // ended meanwhile
      }
    })
    .map(Number);
}

test("the config is the sandbox's, and only its owner may read the secret", async () => {
  const file = join(folder, "component", "stanzapack.yaml");
  const config = async (): Promise<unknown> => JSON.parse(await readFile(file, "utf8"));
  await start(READY);
  const connection = { domain: "streams.localhost", host: "127.0.0.1", port: 5347, secretFile: "secret" };
  expect(await config()).toEqual({
    component: connection,
    store: { kind: "memory" },
    log: { level: "warn" },
  });
  const secretFile = join(folder, "component", "secret");
  expect(await readFile(secretFile, "utf8")).toBe("s3cret\n");
  expect((await stat(secretFile)).mode & 0o077).toBe(0);
  await start(READY, { port: 9, logLevel: "error" });
  expect(await config()).toMatchObject({ component: { port: 9 }, log: { level: "error" } });
});

test.each(["SIGTERM", "SIGKILL"] as const)("%s ends it, which is no failure; it starts again", async (by) => {
  const failures: string[] = [];
  const component = await start(READY, { onFailure: (how) => failures.push(how) });
  const { pid } = component;
  expect(processes()).toEqual([pid]);
  await component.end(by);
  await component.end(by);
  expect(processes()).toEqual([]);
  await component.start(new AbortController().signal);
  expect(component.pid).not.toBe(pid);
  expect(processes()).toEqual([component.pid]);
  expect(failures).toEqual([]);
});

test("an end by itself is a failure, each time", async () => {
  const events = new EventEmitter();
  const component = await start(READY, { onFailure: (how) => events.emit("failure", how) });
  const fail = async (by: NodeJS.Signals): Promise<unknown[]> => {
    const failure = once(events, "failure");
    process.kill(component.pid, by);
    return failure;
  };
  expect(await fail("SIGHUP")).toEqual(["status 3"]);
  await component.start(new AbortController().signal);
  expect(await fail("SIGKILL")).toEqual(["SIGKILL"]);
});

test("an end before it is ready rejects, and is no failure besides", async () => {
  const failures: string[] = [];
  const started = start("process.exit(1);", { onFailure: (how) => failures.push(how) });
  await expect(started).rejects.toMatchObject({
    code: "component-unavailable",
    text: "`stanzapack serve` ended with status 1",
  });
  expect(failures).toEqual([]);
});

test("a component that is not ready in time is killed", async () => {
  await expect(start(NEVER, { timeoutMs: 50 })).rejects.toMatchObject({ code: "timeout" });
  expect(processes()).toEqual([]);
});

test("an abort kills it, and rejects with the reason", async () => {
  const controller = new AbortController();
  const started = start(NEVER, { signal: controller.signal });
  const reason = new Error("enough");
  const rejected = expect(started).rejects.toBe(reason);
  while (processes().length === 0) await setImmediate();
  controller.abort(reason);
  await rejected;
  expect(processes()).toEqual([]);
});
