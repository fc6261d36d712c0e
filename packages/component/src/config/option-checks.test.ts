import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { createComponent } from "../component.js";
import { configSchema } from "./config.js";
import type { ResolvedConfig } from "./load-config.js";

const GOOD: ResolvedConfig = {
  ...configSchema.parse({ component: { domain: "streams.localhost", secret: "s" } }),
  component: { domain: "streams.localhost", host: "127.0.0.1", port: 5347, secret: "s" },
};
const logger = pino({ level: "silent" });

function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toMatchObject({ code: "invalid-options" });
    return (error as Error).message;
  }
  throw new Error("the options were accepted");
}

describe("createComponent and reload", () => {
  it.each<[string, object, string]>([
    [
      "a misspelt limit",
      { limits: { ...GOOD.limits, maxLink: 5 } },
      "limits.maxLink is not an option; did you mean `maxLinks`?",
    ],
    ["a limit that is no number", { limits: { ...GOOD.limits, maxLinks: "5" } }, "limits.maxLinks: "],
    ["a fraction", { limits: { ...GOOD.limits, maxLinks: 0.5 } }, "limits.maxLinks: "],
    ["no secret", { component: { ...GOOD.component, secret: undefined } }, "component.secret: "],
    ["a port out of range", { component: { ...GOOD.component, port: 0 } }, "component.port: "],
    [
      "a domain that XML cannot carry",
      { component: { ...GOOD.component, domain: "a\u0002" } },
      "component.domain: `a\\u{2}` is not a JID",
    ],
    [
      "a store without a directory",
      { store: { kind: "lmdb" } },
      "store.path: name the directory of the store",
    ],
    ["no log", { log: undefined, logs: {} }, "logs is not an option; did you mean `log`?"],
  ])("refuse %s", async (_, change, text) => {
    const config = { ...GOOD, ...change } as ResolvedConfig;
    expect(refusal(() => createComponent(config, { logger }))).toContain(text);
    const component = createComponent(GOOD, { logger });
    expect(refusal(() => component.reload(config))).toContain(text);
    await component.stop();
  });

  it("refuse what is no config, and options that there are not", () => {
    expect(refusal(() => createComponent(null as never))).toMatch(/^createComponent: /);
    expect(refusal(() => createComponent(GOOD, { log: logger } as object))).toContain(
      "did you mean `logger`?",
    );
    expect(refusal(() => createComponent(GOOD, { logger: console.log as never }))).toContain(
      "`logger` must be",
    );
    expect(refusal(() => createComponent(GOOD, null as never))).toContain("must be an object of options");
  });

  it("take options that are undefined", async () => {
    const config = {
      ...GOOD,
      component: { ...GOOD.component, localDomains: undefined, secretFile: undefined },
    };
    await createComponent(config, { logger: undefined, reconnect: undefined }).stop();
  });
});
