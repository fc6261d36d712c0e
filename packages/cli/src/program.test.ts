import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runCli } from "./main.js";

let stdout = "";
let stderr = "";
const folder = mkdtempSync(join(tmpdir(), "stanzapack-cli-"));
const passwordFile = join(folder, "password");
writeFileSync(passwordFile, "\n");
const WHO = [
  "--jid",
  "bob@example.org",
  "--password-file",
  passwordFile,
  "--component",
  "streams.example.org",
];

beforeEach(() => {
  stdout = stderr = "";
  for (const name of ["JID", "PASSWORD_FILE", "COMPONENT", "URL", "CA"])
    vi.stubEnv(`STANZAPACK_${name}`, undefined);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((stdout += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((stderr += String(text)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});
afterAll(() => rmSync(folder, { recursive: true }));

const lastLine = (): string => stderr.trimEnd().split("\n").at(-1) ?? "";

describe("wrong usage exits 2 and says what is wrong", () => {
  test.each([
    [[], "name a command"],
    [["subscrbe"], "Did you mean subscribe?"],
    [["doctr"], "Did you mean doctor?"],
    [["doctor"], "give --config to check the component's side, --jid to check a client's side, or both"],
    [["doctor", "--jid", "bob@example.org"], "set STANZAPACK_PASSWORD_FILE"],
    [["doctor", "--jid", "bob@example.org", "--password-file", "x"], "set STANZAPACK_COMPONENT"],
    [["doctor", ...WHO, "--jid", "bob"], "write a JID as user@domain"],
    [["doctor", ...WHO, "--url", "ftp://x"], "`--url`: not a service address"],
    [["doctor", ...WHO, "--bosh-url", "wss://x/y"], "`--bosh-url wss://x/y` is no address of BOSH"],
    [["doctor", ...WHO, "--load", "fast"], "a number like 5"],
    [["serve"], "'--config <file>' not specified"],
    [["serve", "--confg", "x"], "unknown option '--confg' (Did you mean --config?)"],
    [["serve", "--chek"], "Did you mean --check?"],
    [["offer", "--acces", "open", ...WHO], "Did you mean --access?"],
    [["estimate", "--windw", "0", "--batch", "1"], "Did you mean --window?"],
    [["serve", "--config", "x", "--nope"], "unknown option '--nope'"],
    [["sandbox", "--server", "openfire"], "Allowed choices are prosody, ejabberd"],
    [["sandbox", "--users", "0"], "whole number above 0"],
    [["offer"], "missing required argument 'name'"],
    [["offer", "a/b", ...WHO], "1 to 64"],
    [["offer", "a", "--kind", "set", ...WHO], "Allowed choices are value, log, map"],
    [["offer", "a", "--kind", "map", "--text", ...WHO], "`--text` cannot be used with --kind map"],
    [["offer", "a", "--kind", "map", "--item-expire", "1h", ...WHO], "`--item-expire` needs --kind log"],
    [["offer", "a", "--max-items", "5", ...WHO], "need --kind log or --kind map"],
    [["map", "watch", "a@b/m", "--key", "k", "--prefix", "p", ...WHO], "cannot be used with option '--key"],
    [["map", "watch", "a@b/m", "--prefix", "", ...WHO], "A key has 1 to 512 characters"],
    [
      ["map", "watch", "a@b/m", "--key", "a\u0001", ...WHO],
      "A key has 1 to 512 characters that XML can carry",
    ],
    [
      ["map", "watch", "a@b/m", "--key", ...Array.from({ length: 65 }, (_, i) => `k${i}`), ...WHO],
      "more than 64 keys",
    ],
    [["map", "put"], "too many arguments for 'map'"],
    [["map", "get", "fleet", ...WHO], "Write a node as user@domain/name"],
    [["map", "set", "a/b", "k", "1", ...WHO], "1 to 64"],
    [["map", "set", "fleet", "k", ...WHO], "missing required argument 'value'"],
    [["map", "delete", "fleet", ...WHO], "missing required argument 'key'"],
    [["offer", "a", "--access", "friends", ...WHO], "Allowed choices are open, whitelist, authorize"],
    [["offer", "a", "--compression", "none", ...WHO], "Allowed choices are shared, isolated"],
    [["offer", "a", "--member", "x@y", ...WHO], "--access whitelist"],
    [["offer", "a", "--access", "authorize", "--member", "a@b,c", ...WHO], "--member: `a@b,c` is not a JID"],
    [["offer", "a", "--access", "whitelist", "--member", "a@b,c", ...WHO], "--member: `a@b,c` is not a JID"],
    [["offer", "a", "--every", "1", ...WHO, "--", "date"], "like 100ms, 1s"],
    [["offer", "a", "--every", "1s", ...WHO], "needs a command"],
    [["offer", "a", ...WHO, "--", "date"], "needs --every"],
    [["offer", "a", "--every", "1s", "--keep", ...WHO, "--", "date"], "is for values of stdin"],
    [["offer", "a", "--text", "--strict-json", ...WHO], "cannot be used together"],
    [["offer", "a", "--on-error", "warn", ...WHO], "Allowed choices are skip, stop"],
    [["purge", ...WHO], "missing required argument 'jid'"],
    [["purge", "a@b/c", ...WHO], "Write an account as user@domain"],
    [["purge", "a@b", ...WHO], "needs `--yes` or `--dry-run`"],
    [["subscribe", ...WHO], "missing required argument 'node'"],
    [["subscribe", "temp", ...WHO], "user@domain/name"],
    [["subscribe", "a@b/c", "--window", "100", ...WHO], "like 100ms, 1s"],
    [["subscribe", "a@b/c", "--count", "0", ...WHO], "whole number above 0"],
    [["subscribe", "a@b/c", "--since", "yesterday", ...WHO], "EPOCH:OFFSET"],
    [["subscribe", "a@b/c", "--since", "2026-02-30T00:00:00Z", ...WHO], "a time like"],
    [["subscribe", "a@b/c", "--since", "5 m", ...WHO], "a duration like 5m"],
    [["subscribe", "a@b/c", "--cursor", "a b", ...WHO], "1 to 64 of a-z"],
    [["cursors", "temp", ...WHO], "user@domain/name"],
    [["cursors", "--delete", "a@b/c", ...WHO], "together with `--delete`"],
    [["cursors", "a@b/c", "main", ...WHO], "together with `--delete`"],
    [["cursors", "--delete", "a@b/c", "a/b", ...WHO], "1 to 64 of a-z"],
    [["subscribe", "a@b/c", "--heartbeat", "720h", ...WHO], "at most 596h"],
    [["subscribe", "a@b/c", "--samples", "some", ...WHO], "Allowed choices are all, latest"],
    [["subscribe", "a@b/c", "--max-rate", "fast", ...WHO], "a number like 5"],
    [["subscribe", "a@b/c", "--deadband", "-1", ...WHO], "a number like 5"],
    [["subscribe", "a@b/c", "--heartbeat", "10", ...WHO], "like 100ms, 1s"],
    [["subscribe", "a@b/c"], "`--jid <jid>` is missing: give it, or set STANZAPACK_JID"],
    [["services", ...WHO.slice(0, 2)], "set STANZAPACK_PASSWORD_FILE"],
    [["services", ...WHO.slice(0, 4)], "set STANZAPACK_COMPONENT"],
    [["services", "alice@example.org/phone", ...WHO], "user@domain"],
    [["call", "a@b/c", ...WHO], "missing required argument 'method'"],
    [["call", "a@b/*", "m", ...WHO], "user@domain/name"],
    [["call", "a@b/c", "", ...WHO], "1 to 64 characters"],
    [["call", "a@b/c", "m".repeat(65), ...WHO], "1 to 64 characters"],
    [["call", "a@b/c", "m", "{a: 1}", ...WHO], "the arguments are not JSON"],
    [["call", "a@b/c", "m", "--timeout", "1", ...WHO], "like 100ms, 1s"],
    [["call", "a@b/c", "m", "--timeout", "11m", ...WHO], "at most 10m"],
    [["call", "a@b/c", "m", "-5", ...WHO.slice(2)], "`--jid <jid>` is missing"],
    [["call", "a@b/c", "m"], "`--jid <jid>` is missing"],
    [["estimate"], "missing required argument 'file'"],
    [["estimate", "x", "--batch", "1,0"], "whole number above 0"],
    [["estimate", "x", "--window", "1"], "like 100ms, 1s"],
    [["estimate", "x", "--window", "0", "--batch", "1"], "cannot be used with"],
    [["bench", "codec", "--workload", "none"], "Allowed are int, float2"],
  ])("%j", async (args, text) => {
    expect(await runCli(args)).toBe(2);
    expect(lastLine()).toMatch(/^stanzapack: usage: /);
    expect(lastLine()).toContain(text);
    expect(stdout).toBe("");
  });
});

test("a connection that cannot be made exits 1 with its code", async () => {
  expect(await runCli(["services", ...WHO])).toBe(1);
  expect(lastLine()).toMatch(/^stanzapack: invalid-options: --password-file: .* is empty/);
  expect(await runCli(["services", ...WHO, "--password-file", join(folder, "none")])).toBe(1);
  expect(lastLine()).toMatch(/^stanzapack: invalid-options: --password-file: .* cannot be read \(ENOENT\)/);
});

test("a file of authorities has certificates; a secret that others may read is told", async () => {
  const password = join(folder, "open-password");
  writeFileSync(password, "x\n");
  chmodSync(password, 0o644);
  const ca = join(folder, "ca.pem");
  for (const text of ["", "certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]) {
    writeFileSync(ca, text);
    expect(await runCli(["services", ...WHO, "--password-file", password, "--ca", ca])).toBe(1);
    expect(lastLine()).toMatch(/^stanzapack: invalid-options: --ca: .*ca\.pem has (no|a) certificate/);
  }
  expect(stderr).toContain(
    `warning: --password-file: other users of this machine may read ${password}: chmod 600`,
  );
  const file = join(folder, "exposed.yaml");
  writeFileSync(join(folder, "secret"), "s\n");
  writeFileSync(file, "component: { domain: x.org, secretFile: secret }\n");
  for (const [mode, warned] of [
    [0o640, true],
    [0o600, false],
  ] as const) {
    stderr = "";
    chmodSync(join(folder, "secret"), mode);
    expect(await runCli(["serve", "--config", file, "--check"])).toBe(0);
    expect(stderr.includes("warning: other users")).toBe(warned);
  }
});

test("the environment is asked where an option is missing, and the option wins", async () => {
  vi.stubEnv("STANZAPACK_JID", "bob@example.org");
  vi.stubEnv("STANZAPACK_PASSWORD_FILE", join(folder, "none"));
  vi.stubEnv("STANZAPACK_COMPONENT", "");
  expect(await runCli(["services"])).toBe(2);
  expect(lastLine()).toContain("STANZAPACK_COMPONENT");
  expect(await runCli(["services", "--component", "x.org", "--password-file", passwordFile])).toBe(1);
  expect(lastLine()).toContain("is empty");
});

test("a config file's faults are named by line", async () => {
  const file = join(folder, "stanzapack.yaml");
  writeFileSync(file, "component:\n  domain: x.org\n  port: 99999\n  secret: s\n  hots: y\n");
  expect(await runCli(["serve", "--config", file])).toBe(1);
  expect(stderr).toContain(`${file}:3: component.port: `);
  expect(stderr).toContain(`${file}:5: `);
  expect(lastLine()).toMatch(/^stanzapack: invalid-options: 2 faults, named above/);
  writeFileSync(file, "component:\n  domain: x.org\n  secret: s\n");
  stderr = "";
  expect(await runCli(["serve", "--config", file, "--check"])).toBe(0);
  expect(stderr).toContain(`${file}: good\nstore: ${join(folder, "stanzapack-data")}\n`);
  expect(await runCli(["serve", "--config", join(folder, "none.yaml")])).toBe(1);
  expect(lastLine()).toMatch(/^stanzapack: invalid-options: config file .*none\.yaml cannot be read/);
});

describe("estimate", () => {
  const file = join(folder, "readings.ndjson");

  test("gives rows as one array, or tables and advice", async () => {
    writeFileSync(file, "1\n2\n3\n");
    expect(await runCli(["estimate", file, "--batch", "1,2", "--json"])).toBe(0);
    const rows = JSON.parse(stdout) as unknown[];
    expect(rows).toHaveLength(2 * 5 * 4);
    expect(rows[0]).toMatchObject({ workload: "readings", updates: 3, batch: 1, windowMs: null });
    expect(Object.keys(rows[0] as object)).toEqual([
      ...["workload", "updates", "batch", "windowMs", "delayMs", "transport", "compression", "form"],
      ...["envelope", "bytes", "bytesPerUpdate"],
    ]);
    stdout = "";
    expect(await runCli(["estimate", file])).toBe(0);
    expect(stdout).toMatch(
      /^JSON is smaller[^]*\nVerdict: stay with JSON\. .*\n\nreadings: 3 updates; bytes per update/,
    );
    expect(stdout).toContain("The updates have no times");
  });

  test("tells how long batches take, by the times that it found, and counts services", async () => {
    const lines = Array.from({ length: 40 }, (_, i) => {
      const time = new Date(1e12 + Math.floor(i / 2) * 500).toISOString();
      return JSON.stringify({ time, sensor: `s${i % 2}`, x: i });
    });
    writeFileSync(file, lines.join("\n"));
    expect(await runCli(["estimate", file, "--group-by", "sensor", "--batch", "1,10"])).toBe(0);
    expect(stderr).toContain("times: field `time`, ISO 8601");
    expect(stdout).toContain("readings: 40 updates of 2 services");
    expect(stdout).toContain("has an update every 500 ms");
    expect(stdout).toContain("10 a stanza (5 s)");
  });

  test.each([
    ["1\n{\n", "readings.ndjson:2: it is not JSON"],
    ["", "readings.ndjson: it has no values; write one"],
  ])("%j ends with the line and what to do", async (text, said) => {
    writeFileSync(file, text);
    expect(await runCli(["estimate", file])).toBe(1);
    expect(lastLine()).toContain(said);
    expect(stdout).toBe("");
  });

  test("a window needs times, a file must be there", async () => {
    writeFileSync(file, "1\n");
    expect(await runCli(["estimate", file, "--window", "0"])).toBe(1);
    expect(lastLine()).toContain("readings.ndjson:1: it has no time, but a window needs times");
    expect(await runCli(["estimate", join(folder, "none")])).toBe(1);
    expect(lastLine()).toMatch(/^stanzapack: bad-input: .*none: it cannot be read \(ENOENT\)/);
  });
});

test("help goes to stdout, teaches by examples and names nothing of later versions", async () => {
  expect(await runCli(["--help"])).toBe(0);
  expect(stdout).toContain("stanzapack sandbox");
  for (const command of ["sandbox", "serve", "offer", "subscribe", "services", "purge", "estimate"]) {
    stdout = "";
    expect(await runCli([command, "--help"])).toBe(0);
    const examples =
      stdout.slice(stdout.indexOf("Examples:")).match(/\n {2}\$ stanzapack|\| stanzapack/g) ?? [];
    expect(examples.length).toBeGreaterThanOrEqual(2);
    expect(stdout).not.toMatch(/--child/);
  }
  stdout = "";
  expect(await runCli(["--version"])).toBe(0);
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
