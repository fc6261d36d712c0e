import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { promisify } from "node:util";
import { createComponent, loadConfig, type StreamsComponent } from "@stanzapack/component";
import { startSandbox, type Sandbox, type SandboxComponent, type ServerKind } from "@stanzapack/sandbox";
import { startPrivateRedis, until } from "@stanzapack/testkit";
import { createComponentConnection, NS, xml, type Connection } from "@stanzapack/xmpp";
import { pino } from "pino";
import { runCli } from "stanzapack";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { createCertificate } from "../packages/xmpp/src/testing/fake-server.js";
import { loginEnvironment } from "./support/accounts.js";
import { eventually } from "./support/eventually.js";
import { COMMAND, startProgram } from "./support/program.js";
import { SERVERS } from "./support/stack.js";

interface Row {
  readonly check: string;
  readonly side: string;
  readonly result: string;
  readonly found: string;
  readonly fix: string | null;
}

/** What one run of `stanzapack doctor --json` found. */
interface Diagnosis {
  readonly status: number;
  readonly rows: readonly Row[];
  readonly stderr: string;
  /** Checks with this result, in their order. */
  named(result: string): string[];
  of(check: string): Row;
}

const isRoot = process.getuid?.() === 0;
/** What doctor says of a login that the server refuses. */
const REFUSED = (domain: string): string =>
  `the server refuses the secret of ${domain} (ejabberd refuses an unknown domain alike)`;
/** Runs the command in this process, and reads its rows. */
async function diagnose(...args: readonly string[]): Promise<Diagnosis> {
  let [stdout, stderr] = ["", ""];
  const [out, err] = [vi.spyOn(process.stdout, "write"), vi.spyOn(process.stderr, "write")];
  out.mockImplementation((text) => ((stdout += String(text)), true));
  err.mockImplementation((text) => ((stderr += String(text)), true));
  const status = await runCli(["doctor", "--json", ...args]).finally(() => {
    out.mockRestore();
    err.mockRestore();
  });
  return readDiagnosis(status, stdout, stderr);
}

/** As `diagnose`, in a process of its own, which runs beside the tests. */
async function diagnoseApart(...args: readonly string[]): Promise<Diagnosis> {
  const command = [COMMAND, "doctor", "--json", ...args];
  const { code, stdout, stderr } = await promisify(execFile)(process.execPath, command).then(
    (output) => ({ ...output, code: 0 }),
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  );
  return readDiagnosis(code, stdout, stderr);
}

function readDiagnosis(status: number, stdout: string, stderr: string): Diagnosis {
  const rows = JSON.parse(stdout) as Row[];
  return {
    ...{ status, rows, stderr },
    named: (result) => rows.filter((row) => row.result === result).map(({ check }) => check),
    of: (check) => rows.find((row) => row.check === check) as Row,
  };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}

/** Starts a server that only shows a certificate. Returns its port. */
async function startTls({ key, cert }: { key: string; cert: string }): Promise<number> {
  const server = tls.createServer({ key, cert }).listen(0, "127.0.0.1");
  server.on("tlsClientError", () => undefined);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as net.AddressInfo).port;
}

/** What the tests of one server share. */
interface Stage {
  readonly folder: string;
  readonly sandbox: Sandbox;
  /** A server with faults. */
  readonly faulty: Sandbox;
  /** A healthy component of `sandbox`, and its config file. */
  readonly component: StreamsComponent;
  readonly configFile: string;
  /** Lines of the component's log that say that it has logged in. A second login takes the stream from it. */
  readonly logins: readonly string[];
  /** What doctor finds at `faulty`. It takes some 8 s, so it runs beside the tests. */
  readonly faults: Promise<Diagnosis>;
  readonly stands: readonly Connection[];
}

const componentOf = (at: Sandbox, index = 0): SandboxComponent => at.components[index] as SandboxComponent;

async function startStage(server: ServerKind): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "stanzapack-doctor-test-"));
  const [sandbox, faulty] = await Promise.all([
    // Prosody has no TLS on the component port.
    startSandbox({ server, users: ["alice", "bob"], componentTls: server === "ejabberd" }),
    startSandbox({ server, users: ["carol"], settings: "stock" }),
  ]);
  const { domain, secret } = componentOf(sandbox);
  const port = await freePort();
  const configFile = writeConfig({ folder, sandbox }, "healthy", domain, secret, { metrics: { port } });
  const logins: string[] = [];
  const write = (line: string): void => {
    if (line.includes('"msg":"online"')) logins.push(line);
  };
  const logger = pino({ level: "info" }, { write });
  const component = createComponent(await loadConfig(configFile), { logger });
  spoil(server, faulty);
  await Promise.all([component.start(), faulty.restart()]);
  // Prosody lets one connection have a domain.
  const ids = server === "prosody" ? ["process-1"] : ["process-1", "process-2"];
  const stands = await Promise.all(ids.map((id) => pretend(faulty, 0, id)));
  const faults = diagnoseApart(
    ...[...accountOptions(faulty, "carol", folder), "--url", faulty.url, "--ca", faulty.caFile],
    ...["--load", "40", "--component", componentOf(faulty).domain],
  );
  // The test of it reports a failure.
  faults.catch(() => undefined);
  return { folder, sandbox, faulty, component, configFile, logins, faults, stands };
}

function accountOptions(at: Sandbox, user: string, folder: string): string[] {
  const { STANZAPACK_JID = "", STANZAPACK_PASSWORD_FILE = "" } = loginEnvironment(at, user, folder);
  return ["--jid", STANZAPACK_JID, "--password-file", STANZAPACK_PASSWORD_FILE];
}

/** Writes a config file into a folder of its own, with a store and a secret there. Returns its name. */
function writeConfig(
  { folder, sandbox }: Pick<Stage, "folder" | "sandbox">,
  name: string,
  domain: string,
  secret: string,
  more: object = {},
): string {
  const at = join(folder, name);
  mkdirSync(at);
  writeFileSync(join(at, "secret"), secret, { mode: 0o600 });
  const own = { domain, host: sandbox.host, port: sandbox.ports.component, secretFile: "secret" };
  const tls = sandbox.server === "ejabberd" ? { tls: { caFile: sandbox.caFile } } : {};
  const store = { kind: "lmdb", path: "store" };
  const file = join(at, "stanzapack.yaml");
  writeFileSync(file, JSON.stringify({ component: { ...own, ...tls }, store, ...more }));
  return file;
}

const stages = new Map<ServerKind, Stage>();
beforeAll(async () => {
  await Promise.all(SERVERS.map(async (server) => stages.set(server, await startStage(server))));
});
afterAll(async () => {
  for (const { component, sandbox, faulty, folder, faults, stands } of stages.values()) {
    await Promise.allSettled([faults]);
    await Promise.all([component, ...stands].map((it) => it.stop()));
    await Promise.all([sandbox.stop(), faulty.stop()]);
    rmSync(folder, { recursive: true });
  }
});

describe.each(SERVERS)("stanzapack doctor behind %s", (server) => {
  let stage: Stage;
  let sandbox: Sandbox;
  let folder = "";

  beforeAll(() => {
    stage = stages.get(server) as Stage;
    ({ sandbox, folder } = stage);
  });

  const asBob = (): string[] => accountOptions(sandbox, "bob", folder);

  it("has no finding in a healthy deployment, from both sides, and does not disturb it", async () => {
    const urls = [
      "--url",
      sandbox.url,
      "--websocket-url",
      sandbox.websocketUrl,
      "--bosh-url",
      sandbox.boshUrl,
    ];
    const files = ["--config", stage.configFile, "--ca", sandbox.caFile];
    const program = startProgram(COMMAND, "doctor", ...files, ...asBob(), ...urls);
    const status = await program.ended;
    const { stdout, stderr } = program.output;
    expect(stdout).toMatch(/^From the component's side\nok +config /);
    expect(stdout).toMatch(/\n\nFrom the client's side\nok +password /);
    expect(stdout).toMatch(/\nVerdict: nothing to fix; \d+ ok, \d+ skipped\.\n$/);
    expect(stdout.match(/^(?:warning|failure) .*$/gm)).toBeNull();
    expect(stdout.match(/^skipped +([\w-]+)/gm)?.map((line) => line.replace(/^skipped +/, ""))).toEqual([
      ...(server === "prosody" ? ["component-certificate"] : []),
      ...["store-version", "redis", "redis-settings", "redis-replicas", "redis-prefix"],
      ...["component-clock", "dns", "host-meta"],
    ]);
    expect(stdout).toMatch(/^ok +login +the running component is connected/m);
    expect(stdout).toMatch(/^ok +lean +lean stanzas arrive/m);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stage.logins).toHaveLength(1);
  });

  it("finds a wrong secret, an unknown domain and a closed port, and accepts the right ones", async () => {
    const { domain, secret } = componentOf(sandbox, 1);
    const right = await diagnose("--config", writeConfig(stage, "right", domain, secret));
    expect(right.named("failure")).toEqual([]);
    expect(right.named("warning")).toEqual(["process"]);
    expect(right.of("login").found).toBe(`the server accepts ${domain} and the secret`);
    const wrong = await diagnose("--config", writeConfig(stage, "wrong", domain, "guessed"));
    expect([wrong.status, wrong.named("failure")]).toEqual([1, ["login"]]);
    expect(wrong.stderr).toBe(
      "stanzapack: unhealthy: failed: login. Each has a line that says how to fix it.\n",
    );
    expect(wrong.of("login").found).toBe(REFUSED(domain));
    expect(wrong.of("login").fix).toMatch(/^Prosody: .*component_secret.* ejabberd: .*password/);
    const unknown = await diagnose("--config", writeConfig(stage, "unknown", "nobody.localhost", secret));
    // ejabberd answers an unknown domain and a wrong secret alike.
    const [check, text] =
      server === "prosody"
        ? ["domain", "the server does not know the component domain nobody.localhost"]
        : ["login", REFUSED("nobody.localhost")];
    expect(unknown.named("failure")).toEqual([check]);
    expect(unknown.of(check).found).toBe(text);
    const closed = writeConfig(stage, "closed", domain, secret);
    const port = await freePort();
    writeFileSync(
      closed,
      readFileSync(closed, "utf8").replace(String(sandbox.ports.component), String(port)),
    );
    const { of, named } = await diagnose("--config", closed);
    expect(named("failure")).toEqual(["port"]);
    expect(of("port").found).toContain(`127.0.0.1:${port} is closed (connect ECONNREFUSED`);
  });

  it("does not log in beside a component of which it knows nothing", async () => {
    const { domain, secret } = componentOf(sandbox);
    const file = writeConfig(stage, "memory", domain, secret, { store: { kind: "memory" } });
    const { of } = await diagnose("--config", file);
    expect(of("login")).toMatchObject({ result: "skipped" });
    expect(stage.logins).toHaveLength(1);
  });

  it.runIf(server === "ejabberd")(
    "finds a component port without a certificate of a known authority",
    async () => {
      const { domain, secret } = componentOf(sandbox, 1);
      const file = writeConfig(stage, "distrust", domain, secret);
      writeFileSync(file, readFileSync(file, "utf8").replace(/\{"caFile":[^}]*\}/, "true"));
      const { of, named } = await diagnose("--config", file);
      expect(named("failure")).toEqual(["component-certificate"]);
      expect(of("component-certificate").found).toMatch(/authority is not trusted/);
      expect(of("component-certificate").fix).toMatch(/`component\.tls\.caFile`/);
    },
  );

  it("finds a secret that cannot be read", async () => {
    const file = writeConfig(stage, "unreadable", componentOf(sandbox, 1).domain, "");
    rmSync(join(folder, "unreadable", "secret"));
    mkdirSync(join(folder, "unreadable", "secret"));
    const { of, named } = await diagnose("--config", file);
    expect(named("failure")).toEqual(["secret"]);
    expect(of("secret").found).toMatch(/secret cannot be read \(EISDIR\)$/);
  });

  it.runIf(isRoot)("finds a full disk", async () => {
    const file = writeConfig(stage, "full", componentOf(sandbox, 1).domain, "x");
    const disk = join(folder, "full", "store");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]);
    onTestFinished(() => void execFileSync("umount", ["-l", disk]));
    expect(() => {
      for (;;) appendFileSync(join(disk, "rest"), Buffer.alloc(65_536));
    }).toThrow("ENOSPC");
    const { of } = await diagnose("--config", file);
    expect(of("store-space")).toMatchObject({ result: "failure" });
    expect(of("store-space").found).toMatch(/^the disk is full: 0 MiB are free/);
  });

  it("finds a server without WebSocket, without BOSH, and a domain without a component", async () => {
    const none = `127.0.0.1:${sandbox.ports.http}/none`;
    const { status, of, named } = await diagnose(
      ...[...asBob(), "--url", sandbox.url, "--ca", sandbox.caFile],
      ...["--websocket-url", `ws://${none}`, "--bosh-url", `http://${none}`],
      // No component is connected with this domain.
      ...["--component", componentOf(sandbox, 1).domain],
    );
    expect([status, named("failure")]).toEqual([1, ["websocket", "bosh", "component"]]);
    expect(of("bosh").found).toContain("404");
    expect(of("websocket").fix).toMatch(/^Prosody: .*`websocket`.* ejabberd: .*ejabberd_http_ws/);
  });

  it("finds a closed port of the server, and a wrong password", async () => {
    const { domain } = componentOf(sandbox);
    const rest = ["--ca", sandbox.caFile, "--component", domain];
    const closed = await diagnose(...asBob(), ...rest, "--url", `xmpp://127.0.0.1:${await freePort()}`);
    expect(closed.named("failure")).toEqual(["tcp"]);
    expect(closed.of("tcp").found).toContain("ECONNREFUSED");
    const password = join(folder, "wrong-password");
    writeFileSync(password, "guessed", { mode: 0o600 });
    const { of, named } = await diagnose(
      ...["--jid", "alice@localhost", "--password-file", password, ...rest, "--url", sandbox.url],
      ...["--websocket-url", sandbox.websocketUrl],
    );
    expect(named("failure")).toEqual(["tcp"]);
    expect(of("tcp").found).toContain("refused the credentials");
    expect(of("websocket")).toMatchObject({ result: "skipped", found: "the server has refused the account" });
  });

  it("finds certificates that are expired, of another name, and of an unknown authority", async () => {
    const [expired, other] = [
      createCertificate("localhost", { expired: true }),
      createCertificate("other.test"),
    ];
    const ca = join(folder, "other-ca.pem");
    writeFileSync(ca, expired.ca + other.ca);
    const { of, named } = await diagnose(
      ...[...asBob(), "--url", sandbox.url, "--ca", ca, "--component", componentOf(sandbox).domain],
      ...["--websocket-url", `wss://localhost:${await startTls(other)}/ws`],
      ...["--bosh-url", `https://localhost:${await startTls(expired)}/bosh`],
    );
    expect(named("failure")).toEqual(["tcp-certificate", "websocket-certificate", "bosh-certificate"]);
    expect(of("tcp-certificate").found).toMatch(/the certificate's authority is not trusted \(\w+\)$/);
    expect(of("websocket-certificate").found).toMatch(/is for other\.test, and must be for localhost$/);
    expect(of("bosh-certificate").found).toMatch(/the certificate expired on \d{4}-\d\d-\d\d$/);
    expect(of("tcp").found).toMatch(/^clients refuse the certificate/);
  });

  it("finds a component whose clock is off by an hour", async () => {
    const stand = await pretend(sandbox, 1, "process-1");
    onTestFinished(() => stand.stop());
    const { domain } = componentOf(sandbox, 1);
    const { of, named } = await diagnose(
      ...[...asBob(), "--url", sandbox.url, "--ca", sandbox.caFile, "--component", domain],
    );
    // The stand-in has no links.
    expect(named("failure")).toEqual(["clock", "link"]);
    expect(of("clock").found).toMatch(/^the clock of the component is 3,600 s ahead of this machine's/);
  });

  it("finds a rate limit below the load, a stanza limit, and two components of one domain", async () => {
    const { of, named, status } = await stage.faults;
    expect(status).toBe(1);
    expect(named("failure")).toEqual([
      ...(server === "ejabberd" ? ["one-process", "clock"] : ["clock", "link"]),
      ...["rate", "stanza-size"],
    ]);
    // On a busy machine all of it may arrive before doctor sees that its time is over.
    expect(of("rate").found).toMatch(
      /(reads about \d+ kB\/s of one client|were read at \d+ kB\/s); the load is 40 kB\/s$/,
    );
    expect(of("stanza-size").found).toMatch(/ends the stream over a stanza of 90,000 bytes \(.*\)$/);
    if (server === "ejabberd")
      expect(of("one-process").found).toMatch(/^2 processes answer for streams\.localhost/);
  });
});

it("finds what is wrong with a store in Redis", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stanzapack-doctor-test-"));
  const redis = await startPrivateRedis({
    settings: { appendfsync: "everysec", "maxmemory-policy": "allkeys-lru", requirepass: "right" },
  });
  onTestFinished(async () => {
    await redis.close();
    rmSync(folder, { recursive: true });
  });
  writeFileSync(join(folder, "password"), "right\n", { mode: 0o600 });
  const file = join(folder, "stanzapack.yaml");
  const store = { kind: "redis", host: redis.host, port: redis.port, passwordFile: "password", replicas: 1 };
  // No server is at that port: only the store is looked at.
  const component = { domain: "streams.localhost", secret: "x", port: await freePort() };
  writeFileSync(file, JSON.stringify({ component, store }), { mode: 0o600 });
  const look = async (): Promise<Pick<Row, "check" | "result" | "found">[]> => {
    const { rows } = await diagnose("--config", file);
    const ofRedis = rows.filter(({ check }) => check.startsWith("redis"));
    return ofRedis.map(({ check, result, found }) => ({ check, result, found }));
  };
  expect(await look()).toEqual([
    {
      check: "redis",
      result: "ok",
      found: expect.stringMatching(/^the primary answers, and has version \d+\./),
    },
    {
      ...{ check: "redis-settings", result: "failure" },
      found: expect.stringMatching(/^`appendfsync everysec`: .*; `maxmemory-policy allkeys-lru`: /),
    },
    {
      ...{ check: "redis-replicas", result: "failure" },
      found: "0 of 1 replicas are connected: updates of durability `sync` wait",
    },
    { check: "redis-prefix", result: "ok", found: "`stanzapack:` has no store yet" },
  ]);

  await redis.command("CONFIG", "SET", "appendfsync", "always", "maxmemory-policy", "noeviction");
  const replica = await startPrivateRedis({
    settings: { replicaof: `127.0.0.1 ${redis.port}`, masterauth: "right" },
  });
  onTestFinished(() => replica.close());
  await eventually(async () => expect(await redis.command("ROLE")).toContain(String(replica.port)));
  // A node of another component that uses the same prefix.
  const [seconds] = (await redis.command("TIME")).split("\n");
  await redis.command("SET", "stanzapack:version", "1");
  await redis.command("ZADD", "stanzapack:{nodes}:times", `${seconds}000`, "other.localhost");
  expect((await look()).map(({ result, found }) => `${result}: ${found}`)).toEqual([
    expect.stringMatching(/^ok: the primary answers/),
    "ok: Redis keeps what the component confirms",
    "warning: `min-replicas-to-write` is 0: a primary that is cut off takes updates, which a failover loses",
    "failure: `stanzapack:` is used by other.localhost, and this component is no node",
  ]);

  writeFileSync(join(folder, "password"), "wrong\n");
  const { of } = await diagnose("--config", file);
  expect(of("redis").found).toMatch(/^Redis refuses the component: WRONGPASS/);
  expect(of("redis").fix).toMatch(/^Correct `store.username` and `store.passwordFile`/);
  await redis.stop();
  const [first, ...others] = await look();
  expect(first).toMatchObject({ result: "failure", found: expect.stringContaining("ECONNREFUSED") });
  expect(others.map(({ result }) => result)).toEqual(["skipped", "skipped", "skipped"]);
});

it("ends at a signal, with exit code 1", async () => {
  const silent = net.createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => void silent.close());
  const sockets: net.Socket[] = [];
  silent.on("connection", (socket) => sockets.push(socket));
  const { port } = silent.address() as net.AddressInfo;
  const folder = mkdtempSync(join(tmpdir(), "stanzapack-doctor-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const password = join(folder, "password");
  writeFileSync(password, "x", { mode: 0o600 });
  const {
    process: child,
    output,
    ended,
  } = startProgram(
    ...[COMMAND, "doctor", "--jid", "a@localhost", "--password-file", password, "--component", "s.localhost"],
    ...["--url", `xmpp://127.0.0.1:${port}`],
  );
  await until(() => sockets.length > 0, 5_000, "a connection");
  child.kill("SIGINT");
  expect(await ended).toBe(1);
  expect(output.stderr).toMatch(/^stanzapack: aborted: interrupted after 4 of \d+ checks/m);
});

/**
 * Changes a server as it ships: a small stanza limit and, on ejabberd, several components of one domain. ejabberd's
 * rate is raised to 20 kB/s, so that the limit is soon reached. Its limit counts all that one read returns.
 */
function spoil(server: ServerKind, { configFile }: Sandbox): void {
  const text = readFileSync(configFile, "utf8");
  const spoilt =
    server === "prosody"
      ? `c2s_stanza_size_limit = 10000\n${text}`
      : `${text.replace("max_stanza_size: 262144", "max_stanza_size: 75000").replace("rate: 3000", "rate: 20000")}
domain_balancing:
  streams.localhost:
    type: random
    component_number: 2
`;
  writeFileSync(configFile, spoilt);
}

/** Connects a program that answers as a component does, with a clock an hour ahead, and that has no links. */
async function pretend(at: Sandbox, index: number, id: string): Promise<Connection> {
  const { domain, secret } = componentOf(at, index);
  // Of the sandboxes on ejabberd, the one that ships as it is has no TLS here, and one component alone is used.
  const tls = at.server === "ejabberd" && index === 1 ? { tls: { ca: at.ca } } : {};
  const { component: port } = at.ports;
  const connection = createComponentConnection({ domain, secret, host: at.host, port, ...tls });
  connection.onIq("get", NS.DISCO_INFO, "query", () =>
    xml("query", NS.DISCO_INFO, xml("feature", { var: NS.STANZAPACK })),
  );
  connection.onIq("get", NS.STANZAPACK, "process", () => xml("process", { xmlns: NS.STANZAPACK, id }));
  connection.onIq("get", NS.TIME, "time", () =>
    xml("time", NS.TIME, xml("utc", {}, new Date(Date.now() + 3_600_000).toISOString())),
  );
  await connection.start();
  return connection;
}
