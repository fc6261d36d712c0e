import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { XmppError } from "@stanzapack/xmpp";
import { describe, expect, onTestFinished, test } from "vitest";
import { FIX } from "../base/remedies.js";
import { runChecks, type Outcome } from "../base/runner.js";
import type { ComponentState } from "./component-state.js";
import { CONFIG_CHECKS } from "./config-checks.js";
import { judgeHeader, judgeLogin } from "./server-checks.js";
import { STATUS_CHECKS } from "./status-checks.js";
import { judgeSpace, STORE_CHECKS } from "./store-checks.js";

const MIB = 1_048_576;
const never = new AbortController().signal;

/** A folder of the test with a config file and a secret. */
function writeConfig(more: string, secret = "s3cret\n"): { folder: string; file: string } {
  const folder = mkdtempSync(join(tmpdir(), "stanzapack-doctor-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "stanzapack.yaml");
  writeFileSync(file, `component: { domain: streams.example.org, secretFile: secret }\n${more}\n`);
  writeFileSync(join(folder, "secret"), secret, { mode: 0o600 });
  return { folder, file };
}

/** Runs the checks that need no server. */
async function run(file: string): Promise<{ state: ComponentState; of: (id: string) => Outcome }> {
  const state: ComponentState = { file, tlsFails: false, runs: "unknown" };
  const outcomes = await runChecks([...CONFIG_CHECKS, ...STORE_CHECKS, ...STATUS_CHECKS], state, never);
  return { state, of: (id) => outcomes.find(({ check }) => check.id === id) as Outcome };
}

describe("the config and the secret", () => {
  test("names each line with a fault", async () => {
    const { file } = writeConfig("admins: 5\nlimits: { maxLink: 1 }");
    const { of } = await run(file);
    expect(of("config").result).toBe("failure");
    expect(of("config").found).toMatch(/yaml:2: .*; .*yaml:3: /);
    expect(of("secret").result).toBe("skipped");
  });

  test("accepts a secret that only its owner may read, and warns of another", async () => {
    const { file, folder } = writeConfig("");
    expect((await run(file)).of("secret").result).toBe("ok");
    chmodSync(join(folder, "secret"), 0o644);
    expect((await run(file)).of("secret")).toMatchObject({ result: "warning", fix: FIX.exposed });
  });

  test("fails a secret that is missing or empty", async () => {
    const { file, folder } = writeConfig("", "\n");
    expect((await run(file)).of("secret")).toMatchObject({ result: "failure" });
    rmSync(join(folder, "secret"));
    const { of, state } = await run(file);
    expect(of("secret").found).toContain("cannot be read (ENOENT)");
    expect(of("secret").fix).toEqual(FIX.secretUnreadable);
    expect(of("config").result).toBe("ok");
    expect(state.resolved).toBeUndefined();
  });

  test.runIf(process.getuid?.() === 0)("fails a secret of another user", async () => {
    const { file, folder } = writeConfig("");
    chmodSync(folder, 0o755);
    chmodSync(file, 0o644);
    process.seteuid?.("nobody");
    try {
      expect((await run(file)).of("secret")).toMatchObject({
        result: "failure",
        found: `${join(folder, "secret")} cannot be read (EACCES)`,
      });
    } finally {
      process.seteuid?.(0);
    }
  });
});

describe("the store", () => {
  test("in memory has nothing to check", async () => {
    const { file } = writeConfig("store: { kind: memory }");
    const { of, state } = await run(file);
    expect(of("store-folder").result).toBe("skipped");
    expect(of("process").result).toBe("skipped");
    expect(state.runs).toBe("unknown");
  });

  test("that does not exist yet is good if it can be made", async () => {
    const { file, folder } = writeConfig("");
    const { of, state } = await run(file);
    expect(of("store-folder")).toMatchObject({ result: "ok" });
    expect(of("store-space").found).toContain(join(folder, "stanzapack-data"));
    expect(of("store-version").result).toBe("skipped");
    expect(state.runs).toBe("stopped");
  });

  test("that is a file fails", async () => {
    const { file, folder } = writeConfig("");
    writeFileSync(join(folder, "stanzapack-data"), "");
    expect((await run(file)).of("store-folder").found).toMatch(/is no directory$/);
  });

  test("that cannot be read is damaged", async () => {
    const { file, folder } = writeConfig("");
    mkdirSync(join(folder, "stanzapack-data"));
    writeFileSync(join(folder, "stanzapack-data", "data.mdb"), "no LMDB");
    expect((await run(file)).of("store-version")).toMatchObject({ result: "warning", fix: FIX.storeDamage });
  });

  test("needs room on its disk", () => {
    expect(judgeSpace("/s", 10_240 * MIB, 20_480 * MIB)).toEqual({
      result: "ok",
      found: "10,240 MiB are free for /s",
    });
    expect(judgeSpace("/s", 100 * MIB, 20_480 * MIB).result).toBe("warning");
    expect(judgeSpace("/s", 0, 20_480 * MIB)).toMatchObject({
      result: "failure",
      found: "the disk is full: 0 MiB are free for /s",
    });
    // A disk of 8 MiB that is empty is small, and not full.
    expect(judgeSpace("/s", 7 * MIB, 8 * MIB).result).toBe("warning");
  });
});

describe("the pages of a component that runs", () => {
  async function serve(ready: string): Promise<number> {
    const server: Server = createServer((request, response) => {
      response.writeHead(request.url === "/ready" && ready !== "ready" ? 503 : 200);
      response.end(`${ready}\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  test("show that it is connected", async () => {
    const { file } = writeConfig(`metrics: { port: ${await serve("ready")} }`);
    const { of, state } = await run(file);
    expect([of("process").result, of("ready").result, state.runs]).toEqual(["ok", "ok", "connected"]);
  });

  test("show that it has no stream, and what else is wrong", async () => {
    const down = "the stream to the XMPP server is down";
    const { file } = writeConfig(`metrics: { port: ${await serve(`${down}\nthe store cannot write`)} }`);
    const { of, state } = await run(file);
    expect(of("ready")).toMatchObject({
      result: "failure",
      found: `the component is not ready: ${down}; the store cannot write`,
    });
    expect(state.runs).toBe("down");
  });
});

describe("the answers of a server", () => {
  test("to a header", () => {
    expect(judgeHeader("s.test", "<stream:stream id='1'></stream:stream>").result).toBe("ok");
    expect(
      judgeHeader("s.test", "<stream:stream id='1'><stream:error><host-unknown xmlns='…'/></stream:error>"),
    ).toMatchObject({ result: "failure", fix: FIX.unknownDomain });
    expect(judgeHeader("s.test", "<stream:stream><stream:error><not-allowed/></stream:error>").found).toBe(
      "the server refuses s.test: not-allowed",
    );
  });

  test.each([
    [new XmppError("auth", "not-authorized"), FIX.wrongSecret],
    [new XmppError("unreachable", "closed", { condition: "host-unknown" }), FIX.unknownDomain],
    [new XmppError("conflict", "closed", { condition: "conflict" }), FIX.taken],
    [new XmppError("tls", "no TLS"), FIX.componentTls],
    [new XmppError("timeout", "no answer"), FIX.portClosed],
  ])("to a login: %s", (error, fix) => {
    expect(judgeLogin("s.test", error)).toMatchObject({ result: "failure", fix });
  });
});
