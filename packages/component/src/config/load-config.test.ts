import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, it, vi, onTestFinished } from "vitest";
import { loadConfig, parseConfig } from "./load-config.js";

const GOOD = `component:
  domain: streams.example.org
  secret: s3cret
`;

function failure(text: string): string {
  try {
    parseConfig(text, "c.yml");
  } catch (error) {
    expect(error).toMatchObject({ code: "invalid-options" });
    return (error as Error).message;
  }
  throw new Error("the config was accepted");
}

describe("config text", () => {
  it("fills in the defaults", () => {
    expect(parseConfig(GOOD, "c.yml")).toMatchObject({
      component: { host: "127.0.0.1", port: 5347 },
      limits: { maxLinks: 50_000, unackedSeconds: 30 },
      log: { level: "info" },
    });
  });

  it.each([
    [
      "a misspelt key",
      `${GOOD}limits:\n  maxLink: 5\n`,
      "c.yml:5: limits.maxLink is not an option; did you mean `maxLinks`?",
    ],
    [
      "two of them",
      `${GOOD}limits:\n  maxLinks: 5\n  zzz: 1\nlogs: {}\n`,
      "c.yml:6: limits.zzz is not an option; there are maxLinks, ",
    ],
    ["one at the top", `${GOOD}limit: {}\n`, "c.yml:4: limit is not an option; did you mean `limits`?"],
    [
      "a domain that XML cannot carry",
      `component:\n  domain: "a\\x02.b"\n  secret: x\n`,
      "c.yml:2: component.domain: `a\\u{2}.b` is not a JID",
    ],
    [
      "an account of the dashboard without a token",
      `${GOOD}dashboard:\n  passwordFile: p\n  jid: ann@a.b\n`,
      "c.yml:6: dashboard.jid: `dashboard.jid` needs `dashboard.tokenFile`",
    ],
    [
      "an account of the dashboard without its password",
      `${GOOD}dashboard:\n  tokenFile: t\n  jid: ann@a.b\n`,
      "c.yml:6: dashboard.jid: `dashboard.jid` and `dashboard.passwordFile` need each other",
    ],
    ["a wrong type", `component:\n  domain: a.b\n  secret: x\n  port: many\n`, "c.yml:4: component.port:"],
    [
      "a value out of range",
      `component:\n  domain: a.b\n  secret: x\n  port: 70000\n`,
      "c.yml:4: component.port:",
    ],
    ["TLS that is neither", `${GOOD}  tls: 1.3\n`, "c.yml:4: component.tls: give true, false, or"],
    [
      "a misspelt key of TLS",
      `${GOOD}  tls: { ca: x }\n`,
      "c.yml:4: component.tls.ca is not an option; there are caFile, serverName",
    ],
    ["no host name", `component:\n  domain: "a b"\n  secret: x\n`, "c.yml:2: component.domain:"],
    [
      "what is no domain",
      `component:\n  domain: a.b\n  secret: x\n  localDomains:\n    - c.d\n    - e@f\n`,
      "c.yml:6: component.localDomains.1:",
    ],
    ["no domain", `component:\n  secret: x\n`, "c.yml:2: component.domain:"],
    [
      "two secrets",
      `component:\n  domain: a.b\n  secret: x\n  secretFile: y\n`,
      "either secretFile or secret",
    ],
    ["no secret", `component:\n  domain: a.b\n`, "either secretFile or secret"],
    ["a store that is no object", `${GOOD}store: redis\n`, "c.yml:4: store:"],
    ["an alias", `component:\n  domain: a.b\n  secret: *s3cret\n`, "c.yml:3: `*s3cret` is a YAML alias"],
    ["an anchor", `component:\n  domain: &d a.b\n  secret: x\n`, "c.yml:2: `&d` is a YAML anchor"],
    ["a tag", `component:\n  domain: a.b\n  secret: !s3cret\n`, "c.yml:3: `!s3cret` is a YAML tag"],
    ["bad YAML", `component: [\n`, "c.yml:"],
    ["two documents", `${GOOD}---\nlog: {}\n`, "c.yml:4: a second YAML document begins here"],
    ["a key given twice", `${GOOD}component: {}\n`, "c.yml:4: Map keys must be unique."],
    ["what is too deep", `${GOOD}log: ${"[".repeat(20_000)}\n`, "c.yml:4: it is nested too deeply"],
    ["an empty file", ``, "component"],
  ])("names line and key of %s", (_, text, expected) => {
    expect(failure(text)).toContain(expected);
  });
});

it("prepares domains as JIDs write them", () => {
  const text = `component:\n  domain: Streams.MÜNCHEN.example.\n  secret: x\n  localDomains: [EXAMPLE.org]\n`;
  expect(parseConfig(text, "c.yml").component).toMatchObject({
    domain: "streams.münchen.example",
    localDomains: ["example.org"],
  });
});

describe("config file", () => {
  let folder: string;
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "stanzapack-config-"))));
  afterAll(() => rm(folder, { recursive: true }));

  it("reads the secret beside it, without the line's end", async () => {
    await writeFile(join(folder, "secret"), "s3cret\n");
    await writeFile(join(folder, "c.yml"), "component: {domain: a.b, secretFile: secret}\n");
    expect((await loadConfig(join(folder, "c.yml"))).component).toEqual({
      domain: "a.b",
      host: "127.0.0.1",
      port: 5347,
      localDomains: [],
      secretFile: join(folder, "secret"),
      secret: "s3cret",
    });
  });

  it("keeps its data on LMDB unless it says otherwise, and finds the directory", async () => {
    const file = join(folder, "s.yml");
    const storeOf = async (rest: string) => {
      await writeFile(file, `component: {domain: a.b, secret: x}\n${rest}`);
      return (await loadConfig(file)).store;
    };
    vi.stubEnv("STATE_DIRECTORY", undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    const beside = join(folder, "stanzapack-data");
    expect(await storeOf("")).toEqual({
      kind: "lmdb",
      path: beside,
      intervalMs: 1_000,
      maxBytes: 10_737_418_240,
      maxBytesPerJid: 1_073_741_824,
      maxAgeSeconds: 2_592_000,
    });
    expect(await storeOf("store: {kind: lmdb, maxAgeSeconds: 5}\n")).toMatchObject({
      path: beside,
      maxAgeSeconds: 5,
    });
    expect(await storeOf("store: {kind: lmdb, path: here}\n")).toMatchObject({ path: join(folder, "here") });
    expect(await storeOf("store: {kind: memory}\n")).toEqual({ kind: "memory" });
    await writeFile(join(folder, "redis-password"), "s3cret\n");
    expect(await storeOf("store: {kind: redis, passwordFile: redis-password}\n")).toEqual({
      ...{ kind: "redis", host: "127.0.0.1", port: 6_379, password: "s3cret", tls: false, sentinels: [] },
      ...{ prefix: "stanzapack:", replicas: 0 },
      ...{ maxBytes: 10_737_418_240, maxBytesPerJid: 1_073_741_824, maxAgeSeconds: 2_592_000 },
    });
    // systemd.exec(5): several directories are separated by colons.
    vi.stubEnv("STATE_DIRECTORY", "/var/lib/stanzapack:/var/lib/other");
    expect(await storeOf("")).toMatchObject({ kind: "lmdb", path: "/var/lib/stanzapack" });
    expect(await storeOf("store: {kind: lmdb, path: here}\n")).toMatchObject({ path: join(folder, "here") });
    expect(await storeOf("store: {kind: memory}\n")).toEqual({ kind: "memory" });
    vi.stubEnv("STATE_DIRECTORY", "");
    expect(await storeOf("")).toMatchObject({ path: beside });
  });

  it("reads the authority of TLS, and refuses a file that has none", async () => {
    const load = async (tls: string) => {
      await writeFile(join(folder, "t.yml"), `component: {domain: a.b, secret: x, tls: ${tls}}\n`);
      return (await loadConfig(join(folder, "t.yml"))).component.tls;
    };
    await writeFile(join(folder, "ca.pem"), rootCertificates[0] as string);
    await writeFile(join(folder, "key.pem"), "-----BEGIN PRIVATE KEY-----\n");
    expect(await load("false")).toBeUndefined();
    expect(await load("true")).toEqual({});
    expect(await load("{caFile: ca.pem, serverName: c.d}")).toEqual({
      ca: rootCertificates[0],
      serverName: "c.d",
    });
    await expect(load("{caFile: key.pem}")).rejects.toThrow(/tls.caFile key.pem holds no PEM certificate/);
    await expect(load("{caFile: none.pem}")).rejects.toThrow(/tls.caFile .*none.pem cannot be read/);
  });

  it("says which file is missing or empty", async () => {
    await expect(loadConfig(join(folder, "none.yml"))).rejects.toMatchObject({
      code: "invalid-options",
      message: expect.stringContaining("none.yml"),
    });
    await writeFile(join(folder, "d.yml"), "component: {domain: a.b, secretFile: nowhere}\n");
    await expect(loadConfig(join(folder, "d.yml"))).rejects.toThrow(/secretFile .*nowhere/);
    await writeFile(join(folder, "empty"), "\n");
    await writeFile(join(folder, "e.yml"), "component: {domain: a.b, secretFile: empty}\n");
    await expect(loadConfig(join(folder, "e.yml"))).rejects.toThrow(/empty/);
  });
});
