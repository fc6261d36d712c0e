import { readFileSync } from "node:fs";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { createComponent } from "./component.js";
import { configSchema } from "./config/config.js";
import type { ResolvedConfig } from "./config/load-config.js";
import { VERSION } from "./base/version.js";

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

  it("tells the version of its package", () => {
    const own = readFileSync(new URL("../package.json", import.meta.url), "utf8");
    expect((JSON.parse(own) as { version: string }).version).toBe(VERSION);
  });
});
