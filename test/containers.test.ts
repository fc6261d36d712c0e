import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { connect, type Client } from "@stanzapack/client";
import type { ServerKind } from "@stanzapack/sandbox";
import { until } from "@stanzapack/testkit";
import {
  areImagesCurrent,
  COMPOSE_FILES,
  Deployment,
  engineOf,
  NEXT_IMAGE,
} from "@stanzapack/testkit/containers";
import { createClientConnection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { eventually } from "./support/eventually.js";
import { launchChromium } from "./support/browser.js";
import { readLogins, type Logins, type User } from "./support/container-logins.js";
import { COMMAND, startProgram } from "./support/program.js";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { publishCounter, SERVERS, upTo } from "./support/stack.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
}
interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}
const composeOf = (server: ServerKind): ComposeFile => parse(read(COMPOSE_FILES[server])) as ComposeFile;

describe.each(SERVERS)("the compose file of %s", (server) => {
  const { services, volumes } = composeOf(server);

  it("has the server, the component, a publisher and nginx", () => {
    expect(Object.keys(services).sort()).toEqual(["component", "nginx", "publisher", "xmpp"]);
    for (const { build } of Object.values(services))
      if (build !== undefined)
        expect(existsSync(join(ROOT, "docker", build.context, build.dockerfile))).toBe(true);
  });

  it("runs images of this version", () => {
    const { version } = JSON.parse(read("packages/cli/package.json")) as { readonly version: string };
    for (const { image } of Object.values(services)) expect(image).toMatch(new RegExp(`:${version}}$`));
  });

  it("declares the volumes that it mounts, and mounts nothing of the machine", () => {
    const mounted = Object.values(services).flatMap(({ volumes: mounts = [] }) =>
      mounts.map((mount) => mount.split(":")[0]),
    );
    expect([...new Set(mounted)].sort()).toEqual(Object.keys(volumes).sort());
  });

  it("has no secret, only files that hold one", () => {
    for (const { environment = {} } of Object.values(services)) {
      const secret = Object.entries(environment).filter(([name]) => /SECRET|PASSWORD|TOKEN|KEY/.test(name));
      for (const [name, value] of secret)
        expect([name, value]).toEqual([expect.stringMatching(/_FILE$/), expect.stringMatching(/^\//)]);
    }
  });

  it("publishes ports on loopback alone, and none of the component", () => {
    for (const { ports = [] } of Object.values(services))
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(services["component"]?.ports).toBeUndefined();
  });

  it("gives our image a read-only root, no capabilities and no new privileges", () => {
    for (const name of ["component", "publisher"])
      expect(services[name]).toMatchObject({
        ...{ read_only: true, cap_drop: ["ALL"] },
        security_opt: ["no-new-privileges:true"],
      });
  });
});

it("the compose files differ in the service `xmpp` alone", () => {
  const [prosody, ejabberd] = SERVERS.map((server) => {
    const { services, ...rest } = composeOf(server);
    const { xmpp: _, ...others } = services;
    return { ...rest, name: undefined, services: others };
  });
  expect(prosody).toEqual(ejabberd);
});

it("ejabberd's configuration in its image has the recommended values", () => {
  const image = parse(read("docker/ejabberd/container.yml")) as Record<string, unknown>;
  const recommended = parse(read("docker/ejabberd/stanzapack.yml")) as Record<string, unknown>;
  expect(image).toMatchObject(recommended);
});

const DOCKERFILES = ["", "prosody/", "ejabberd/", "nginx/", "redis/"].map((folder) => `${folder}Dockerfile`);

describe.each(DOCKERFILES)("docker/%s", (path) => {
  const text = read(`docker/${path}`);
  /** Instructions, each in one line, without comments. */
  const instructions = text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line !== "");
  const of = (name: string): string[] =>
    instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));

  it("copies files that are in the repository", () => {
    const sources = of("COPY")
      .filter((rest) => !rest.includes("--from="))
      .flatMap((rest) => rest.split(/\s+/).slice(0, -1));
    for (const source of sources) expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
    expect(of("ADD")).toEqual([]);
  });

  it("builds on images of a named version, which the builder may replace", () => {
    const args = new Map(of("ARG").map((arg) => arg.split("=") as [string, string | undefined]));
    for (const from of of("FROM")) {
      const [, variable = ""] = /^\$\{(\w+)\}/.exec(from) ?? [];
      expect(args.get(variable)).toMatch(/:[a-z0-9-]*bookworm-slim$/);
    }
  });

  it("leaves no lists of packages in a layer, and installs nothing that is only recommended", () => {
    for (const command of of("RUN").filter((it) => it.includes("apt-get install"))) {
      expect(command).toContain("--no-install-recommends");
      expect(command).toContain("rm -rf /var/lib/apt/lists/*");
    }
  });

  it("says how to start, stop and watch it", () => {
    for (const name of ["ENTRYPOINT", "STOPSIGNAL", "HEALTHCHECK"]) expect(of(name)).toHaveLength(1);
    for (const command of [...of("ENTRYPOINT"), ...of("CMD")])
      expect(JSON.parse(command)).toBeInstanceOf(Array);
  });
});

it("the component's image runs as a user that is not root", () => {
  expect(/^USER (\d+):(\d+)$/m.exec(read("docker/Dockerfile"))?.slice(1)).toEqual(["10001", "10001"]);
});

/** `npm run test:containers` sets this, after it has built the images. */
const REQUIRED = process.env["STANZAPACK_CONTAINERS"] === "required";
const ready = REQUIRED || (await areImagesCurrent(ROOT));
if (!ready)
  process.stderr.write(
    "SKIPPED: test/containers.test.ts has run no container, since there are no images of these sources. " +
      "`npm run test:containers` builds and runs them.\n",
  );

/** `npm test` has time for one server. */
const RUN_BEHIND = REQUIRED ? SERVERS : SERVERS.slice(0, 1);

describe.skipIf(!ready).each(RUN_BEHIND)("containers behind %s", (server) => {
  let containers: Deployment;
  let folder: string;
  /** PEM of the authority that the first start has made. */
  let ca: string;
  let passwords: Logins["passwords"];
  let optionsOf: Logins["optionsOf"];

  /** An SDK client, which is closed with the test. */
  async function logIn(user: User, url?: string): Promise<Client> {
    const client = await connect({ ...optionsOf(user), ...(url !== undefined && { url }) });
    onTestFinished(() => client.close());
    return client;
  }

  beforeAll(async () => {
    const startedAt = performance.now();
    folder = await mkdtemp(join(tmpdir(), "stanzapack-containers-"));
    containers = await Deployment.up(engineOf(ROOT), ROOT, server);
    ({ ca, passwords, optionsOf } = await readLogins(containers));
    const viewer = await eventually(() => connect(optionsOf("viewer")));
    const values = await eventually(() => viewer.subscribe<number>("publisher@localhost/load"));
    await values[Symbol.asyncIterator]().next();
    await viewer.close();
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    process.stderr.write(`${server}: values ${seconds} s after \`up\`\n`);
  }, 240_000);
  afterAll(async () => {
    await containers?.down();
    await rm(folder, { recursive: true, force: true });
  }, 120_000);

  it.each([
    ["TCP", () => `xmpp://127.0.0.1:${containers.ports.xmpp}`],
    ["WebSocket through nginx", () => `wss://localhost:${containers.ports.https}/xmpp-websocket`],
    ["BOSH through nginx", () => `https://localhost:${containers.ports.https}/http-bind`],
  ])("a subscriber outside receives the machine's load over %s", async (_, url) => {
    const viewer = await logIn("viewer", url());
    const load = await viewer.subscribe<number>("publisher@localhost/load", { windowMs: 0 });
    const values: number[] = [];
    load.on("update", ({ value }) => values.push(value));
    await until(() => values.length >= 3, 10_000, "three values");
    for (const value of values) expect(value).toBeGreaterThanOrEqual(0);
  });

  it("the command `stanzapack subscribe` outside prints the values", async () => {
    const [password, authority] = [join(folder, "viewer.password"), join(folder, "ca.pem")];
    writeFileSync(password, `${passwords.viewer}\n`, { mode: 0o600 });
    writeFileSync(authority, ca);
    const { output, ended } = startProgram(
      COMMAND,
      ...["subscribe", "publisher@localhost/load", "--count", "2", "--window", "0"],
      ...["--jid", "viewer@localhost", "--password-file", password, "--component", "streams.localhost"],
      ...["--url", `wss://localhost:${containers.ports.https}/xmpp-websocket`, "--ca", authority],
    );
    expect(await ended).toBe(0);
    const rows = output.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { value?: number });
    expect(rows.filter(({ value }) => typeof value === "number")).toHaveLength(2);
  });

  it("the address in nginx's log shows the values in a browser, without a login", async () => {
    const address = /^Open the dashboard: (http:\S+)$/m;
    const [, url = ""] = await eventually(async () => {
      const found = address.exec(await containers.act("nginx", "logs"));
      return found ?? Promise.reject(new Error("no address in the log"));
    });
    expect(new URL(url).port).toBe(String(containers.ports.dashboard));
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.context.newPage();
    await eventually(async () => expect((await page.goto(url))?.status()).toBe(200));
    expect(page.url()).toBe(`http://localhost:${containers.ports.dashboard}/`);
    await page.locator("#services tr[data-key='publisher@localhost/load']").waitFor();
    await page.getByRole("button", { name: "publisher@localhost/load" }).click();
    await page.locator("#live .chart").first().waitFor();

    const answer = await fetch(page.url());
    expect([answer.status, await answer.text()]).toEqual([401, expect.stringContaining("token")]);
  });

  it("nginx offers HTTP/2", async () => {
    const socket = connectTls({
      ...{ port: containers.ports.https, host: "127.0.0.1", servername: "localhost", ca },
      ALPNProtocols: ["h2", "http/1.1"],
    });
    onTestFinished(() => void socket.destroy());
    await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    expect(socket.alpnProtocol).toBe("h2");
  });

  it("the component runs as its own user, without capabilities, and cannot write its root", async () => {
    expect(await containers.exec("component", "id", "-u")).toBe("10001");
    expect(await containers.exec("component", "cat", "/proc/1/status")).toMatch(
      /^CapEff:\s0+\n[^]*^NoNewPrivs:\s1$/m,
    );
    await expect(containers.exec("component", "touch", "/app/x")).rejects.toThrow("Read-only file system");
    expect(await containers.act("component", "inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}")).toBe(
      "true",
    );
  });

  it("the health check passes", async () => {
    await containers.act("component", "healthcheck", "run");
    await containers.act("xmpp", "healthcheck", "run");
    await containers.act("nginx", "healthcheck", "run");
  });

  it("a client of another protocol version is told so in words", async () => {
    const connection = createClientConnection({
      ...{ jid: "viewer@localhost", password: passwords.viewer, ca },
      urls: [`xmpp://127.0.0.1:${containers.ports.xmpp}`],
    });
    onTestFinished(() => connection.stop());
    await connection.start();
    const link = await openRawLink(connection, "streams.localhost");
    link.send({ ...HELLO, version: 200 });
    await until(() => link.end !== undefined, 5_000, "the link's end");
    expect(link.frames.find(({ type }) => type === "bye")).toMatchObject({
      code: "version-mismatch",
      text: expect.stringContaining("version 200"),
    });
  });

  it("a copy of the store is made beside the running component, and is whole", async () => {
    const [copy, check] = ["copy-store", "check-store"].map(
      (it) => `/app/packages/component/store-check/${it}.mjs`,
    );
    const component = containers.nameOf("component");
    const output = await engineOf(ROOT).podman(
      ...["run", "--rm", "--pid", `container:${component}`, "--volumes-from", component],
      ...["--tmpfs", "/backup:mode=1777", "--entrypoint", "sh", NEXT_IMAGE, "-c"],
      `node ${copy} /var/lib/stanzapack /backup/1 && node ${check} /backup/1/data.mdb full 60000 1`,
    );
    expect(JSON.parse(output)).toEqual({ records: 0, entries: 0, version: 1 });
  });

  it("a kill and an upgrade in place lose nothing of a log with `sync`", async () => {
    const publisher = await logIn("publisher");
    const viewer = await logIn("viewer");
    const log = await publisher.offer("upgraded", { kind: "log", durability: "sync" });
    const received: number[] = [];
    const told: string[] = [];
    const subscription = await viewer.subscribe<number>(log.node, { windowMs: 0, since: "first" });
    subscription.on("update", ({ value }) => received.push(value));
    for (const event of ["lost", "reset"] as const)
      subscription.on(event, ({ from, to }) => told.push(`${event} ${from}-${to}`));
    const counter = publishCounter((value) => log.publish(value), 20);
    const flows = async (what: string): Promise<void> => {
      const before = counter.count;
      await until(() => (received.at(-1) ?? 0) > before, 30_000, what);
    };
    await flows("updates");

    process.kill((await containers.stateOf("component")).Pid, "SIGKILL");
    await flows("updates after the kill");

    await containers.act("component", "stop");
    await containers.act("component", "rm");
    await containers.up(NEXT_IMAGE);
    const label = `{{index .Config.Labels "org.opencontainers.image.version"}}`;
    expect(await containers.act("component", "inspect", "--format", label)).toBe("next");
    await flows("updates after the upgrade");

    counter.stop();
    await until(() => received.length >= counter.count, 30_000, "the last update");
    expect({ received, told }).toEqual({ received: upTo(counter.count), told: [] });
    const late: number[] = [];
    const again = await logIn("viewer");
    const whole = await again.subscribe<number>(log.node, { windowMs: 0, since: "first" });
    whole.on("update", ({ value }) => late.push(value));
    await until(() => late.length >= counter.count, 30_000, "the whole log");
    expect(late).toEqual(upTo(counter.count));
  });

  it.each(["component", "publisher", "nginx", "xmpp"] as const)(
    "`stop` ends %s within seconds, with status 0",
    async (container) => {
      const startedAt = performance.now();
      await containers.act(container, "stop", "--time", "60");
      const seconds = (performance.now() - startedAt) / 1_000;
      expect(await containers.stateOf(container)).toMatchObject({ Status: "exited", ExitCode: 0 });
      // After 60 s the engine would have killed it. A busy machine takes several times as long as an idle one.
      expect(seconds).toBeLessThan(30);
    },
  );
});
