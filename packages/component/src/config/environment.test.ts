import { describe, expect, it } from "vitest";
import { applyOverrides, readOverrides, variableFor } from "./environment.js";
import { parseOverridden } from "./load-config.js";

const FILE = `component: {domain: streams.example.org, secret: s3cret}
limits: {maxLinks: 5, maxServices: 7}
`;

function load(text: string, environment: Record<string, string>): ReturnType<typeof parseOverridden> {
  return parseOverridden(text, "c.yml", readOverrides(environment));
}

describe("variables of the environment", () => {
  it("set keys in place of the config file", () => {
    const config = load(FILE, {
      STANZAPACK_COMPONENT_HOST: "xmpp",
      STANZAPACK_COMPONENT_PORT: "5275",
      STANZAPACK_LIMITS_MAX_LINKS: "9",
      STANZAPACK_LOG_LEVEL: "debug",
      STANZAPACK_ADMINS: "root@example.org, ann@example.org",
      STANZAPACK_METRICS_HOST: "0.0.0.0",
    });
    expect(config).toMatchObject({
      component: { host: "xmpp", port: 5275, domain: "streams.example.org" },
      limits: { maxLinks: 9, maxServices: 7 },
      log: { level: "debug" },
      admins: ["root@example.org", "ann@example.org"],
      metrics: { host: "0.0.0.0", port: 9_464 },
    });
  });

  it("are enough without a file", () => {
    const environment = { STANZAPACK_COMPONENT_DOMAIN: "a.b", STANZAPACK_COMPONENT_SECRET: "12345" };
    expect(load("", environment).component).toMatchObject({ domain: "a.b", secret: "12345" });
  });

  it("may have YAML where a key needs it, and a store needs no kind", () => {
    const environment = {
      STANZAPACK_COMPONENT_TLS: "{serverName: xmpp.example.org}",
      STANZAPACK_STORE_PATH: "/data",
      STANZAPACK_STORE_INTERVAL_MS: "500",
    };
    expect(load(FILE, environment)).toMatchObject({
      component: { tls: { serverName: "xmpp.example.org" } },
      store: { kind: "lmdb", path: "/data", intervalMs: 500 },
    });
    expect(load(FILE, { STANZAPACK_STORE_KIND: "memory" }).store).toEqual({ kind: "memory" });
  });

  it("that name the secret replace the key that names it otherwise", () => {
    const file = "component: {domain: a.b, secretFile: s}\n";
    expect(load(file, { STANZAPACK_COMPONENT_SECRET: "x" }).component).toMatchObject({ secret: "x" });
    const { component } = load(FILE, { STANZAPACK_COMPONENT_SECRET_FILE: "s" });
    expect([component.secret, component.secretFile]).toEqual([undefined, "s"]);
  });

  it("leave alone what is not theirs", () => {
    const others = {
      STANZAPACK_COMPONENT: "streams.b",
      STANZAPACK_JID: "a@b",
      STANZAPACK_TEST: "whole",
      HOME: "/",
    };
    expect(readOverrides(others)).toEqual([]);
    expect(readOverrides({ STANZAPACK_LOG_LEVEL: "" })).toEqual([]);
    const content = { limits: { maxLinks: 1 } };
    applyOverrides(content, readOverrides({ STANZAPACK_LIMITS_MAX_LINKS: "2" }));
    expect(content).toEqual({ limits: { maxLinks: 1 } });
  });

  it.each([
    [
      { STANZAPACK_LIMITS_MAX_LINK: "1" },
      /^environment: STANZAPACK_LIMITS_MAX_LINK is not .*`STANZAPACK_LIMITS_MAX_LINKS`/,
    ],
    [{ STANZAPACK_LIMITS_MAX_LINKS: "many" }, /^environment: STANZAPACK_LIMITS_MAX_LINKS: .*number/],
    [{ STANZAPACK_LIMITS_MAX_LINKS: "[" }, /^environment: STANZAPACK_LIMITS_MAX_LINKS: .*number/],
    [{ STANZAPACK_ADMINS: "root" }, /^environment: STANZAPACK_ADMINS: `root` is no bare JID/],
    [{ STANZAPACK_COMPONENT_DOMAIN: "a b" }, /^environment: STANZAPACK_COMPONENT_DOMAIN: /],
  ])("with faults are named: %o", (environment: Record<string, string>, text) => {
    expect(() => load(FILE, environment)).toThrow(text);
  });

  it("have names that follow from the keys", () => {
    expect(variableFor(["limits", "maxServicesPerOwner"])).toBe("STANZAPACK_LIMITS_MAX_SERVICES_PER_OWNER");
    expect(variableFor(["component", "secretFile"])).toBe("STANZAPACK_COMPONENT_SECRET_FILE");
  });
});
