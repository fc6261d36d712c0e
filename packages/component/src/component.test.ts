import { readFileSync } from "node:fs";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StanzapackError } from "@stanzapack/wire";
import { pino } from "pino";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createComponent } from "./component.js";
import { configSchema } from "./config/config.js";
import type { ResolvedConfig } from "./config/load-config.js";
import { VERSION } from "./base/version.js";

/** A config without the key `store`, as a program makes one. Nothing listens at its port. */
const inCode: ResolvedConfig = {
  ...configSchema.parse({ component: { domain: "streams.localhost", secret: "s" } }),
  component: { domain: "streams.localhost", host: "127.0.0.1", port: 1, secret: "s" },
};

/** Starts a component that ends because no server is there. Returns what it logged before. */
async function linesOf(config: ResolvedConfig): Promise<[fields: unknown, text: string][]> {
  const logger = pino({ level: "silent" });
  const info = vi.spyOn(logger, "info");
  const component = createComponent(config, { logger, reconnect: false });
  await component.start().catch((error: StanzapackError) => {
    if (error.code === "store-failed") throw error;
  });
  await component.stop();
  return info.mock.calls as unknown as [unknown, string][];
}

/** Returns the warnings of a component with this connection to its server, logged before it connects. */
async function warningsOf(component: Partial<ResolvedConfig["component"]>): Promise<string[]> {
  const logger = pino({ level: "silent" });
  const warn = vi.spyOn(logger, "warn");
  const config: ResolvedConfig = {
    ...configSchema.parse({ component: { domain: "streams.localhost", secret: "s" } }),
    component: { domain: "streams.localhost", host: "127.0.0.1", port: 5347, secret: "s", ...component },
  };
  await createComponent(config, { logger }).stop();
  return warn.mock.calls.map((call) => String(call[1]));
}

describe("a component", () => {
  it.each(["192.0.2.1", "xmpp.example.org", "2001:db8::1"])("warns of plain text to %s", async (host) => {
    expect(await warningsOf({ host })).toEqual([
      expect.stringMatching(/^the stream to the server is not encrypted: .*set component\.tls/),
    ]);
  });

  it.each([
    { host: "127.0.0.1" },
    { host: "::1" },
    { host: "localhost" },
    { host: "192.0.2.1", tls: true as const },
  ])("does not with %o", async (way) => {
    expect(await warningsOf(way)).toEqual([]);
  });

  it("that a program makes writes nothing to the disk unless the config names a directory, and says where data is", async () => {
    expect(await linesOf(inCode)).toContainEqual([
      { store: "memory" },
      expect.stringContaining("everything is kept in memory"),
    ]);
    const folder = await mkdtemp(join(tmpdir(), "stanzapack-component-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, "deep", "data");
    const { store } = configSchema.parse({ ...inCode, store: { kind: "lmdb", path } });
    expect(await linesOf({ ...inCode, store })).toContainEqual([
      { store: "lmdb", path, services: 0 },
      expect.stringContaining("the store is open"),
    ]);
    // Nobody else on the machine may read what users publish.
    for (const each of [path, join(folder, "deep")]) expect((await stat(each)).mode & 0o777).toBe(0o700);
  });

  it("says what to do about a directory that it cannot write", async () => {
    const folder = await mkdtemp(join(tmpdir(), "stanzapack-component-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, "file");
    await writeFile(path, "");
    const { store } = configSchema.parse({ ...inCode, store: { kind: "lmdb", path } });
    await expect(linesOf({ ...inCode, store })).rejects.toMatchObject({
      code: "store-failed",
      message: expect.stringMatching(/cannot be opened: .*`store\.path`.*`store: \{ kind: memory \}`/),
    });
  });

  it("tells the version of its package", () => {
    const own = readFileSync(new URL("../package.json", import.meta.url), "utf8");
    expect((JSON.parse(own) as { version: string }).version).toBe(VERSION);
  });
});
