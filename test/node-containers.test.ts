import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type Client, type Subscription } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { Deployment, engineOf, NODES_FILE } from "@stanzapack/testkit/containers";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { readLogins, type Logins, type User } from "./support/container-logins.js";
import { eventually } from "./support/eventually.js";
import { publishCounter, SERVERS, upTo } from "./support/stack.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const NODES = ["streams.localhost", "streams2.localhost", "streams3.localhost"];
/** Longest time from a fault until everything goes on, in ms. A container also starts in it. */
const BACK_MS = 60_000;

interface Service {
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
}

describe("the compose file of several nodes", () => {
  const text = readFileSync(join(ROOT, NODES_FILE), "utf8");
  const { services } = parse(text, { merge: true }) as { services: Readonly<Record<string, Service>> };

  it("adds two nodes, Redis with a replica, and a sentinel, and publishes no port", () => {
    const added = ["component2", "component3", "redis1", "redis2", "sentinel"];
    expect(Object.keys(services).sort()).toEqual(["component", ...added, "xmpp"]);
    expect(Object.values(services).flatMap(({ ports = [] }) => ports)).toEqual([]);
    for (const name of added)
      expect(services[name]).toMatchObject({
        ...{ read_only: true, cap_drop: ["ALL"] },
        security_opt: ["no-new-privileges:true"],
      });
  });

  it("gives the nodes one store, and each a domain that the server knows", () => {
    const nodes = ["component", "component2", "component3"].map((name) => services[name]?.environment ?? {});
    const [first, ...others] = nodes.map(({ STANZAPACK_COMPONENT_DOMAIN: _, ...rest }) => rest);
    expect(first).toMatchObject({ STANZAPACK_STORE_KIND: "redis", STANZAPACK_STORE_REPLICAS: 1 });
    expect(others).toEqual([first, first]);
    expect(services["xmpp"]?.environment).toEqual({ XMPP_NODES: nodes.length });
  });

  it("has no secret, only files that hold one", () => {
    for (const { environment = {} } of Object.values(services))
      for (const name of Object.keys(environment))
        if (/SECRET|PASSWORD|TOKEN|KEY/.test(name)) expect(name).toMatch(/_FILE$/);
  });
});

/** `npm run test:containers` sets this, after it has built the images. */
const REQUIRED = process.env["STANZAPACK_CONTAINERS"] === "required";

describe.skipIf(!REQUIRED).each(SERVERS)("three nodes in containers behind %s", (server) => {
  let containers: Deployment;
  let optionsOf: Logins["optionsOf"];

  /** An SDK client with its link at this node, which is closed with the test. */
  async function logIn(user: User, component: string): Promise<Client> {
    const client = await eventually(() => connect({ ...optionsOf(user), component }));
    onTestFinished(() => client.close());
    return client;
  }

  /** What a subscriber at this node receives of a counter, from its beginning. */
  async function record(component: string, node: string): Promise<{ values: number[]; told: string[] }> {
    const viewer = await logIn("viewer", component);
    const subscription: Subscription<number> = await eventually(() =>
      viewer.subscribe<number>(node, { windowMs: 0, since: "first" }),
    );
    const [values, told] = [[] as number[], [] as string[]];
    subscription.on("update", ({ value }) => values.push(value));
    for (const event of ["lost", "reset"] as const)
      subscription.on(event, ({ from, to }) => told.push(`${event} ${from}-${to}`));
    return { values, told };
  }

  /** The container of Redis that the sentinel calls the primary. */
  async function primary(): Promise<"redis1" | "redis2"> {
    const asked = ["SENTINEL", "get-master-addr-by-name", "stanzapack"];
    const answer = await containers.exec("sentinel", "redis-cli", "-p", "26379", ...asked);
    return answer.split("\n")[0] as "redis1" | "redis2";
  }

  async function roleOf(container: "redis1" | "redis2"): Promise<string> {
    const command = `REDISCLI_AUTH=$(cat /secret/redis) redis-cli ROLE`;
    return (await containers.exec(container, "sh", "-c", command)).split("\n")[0] ?? "";
  }

  beforeAll(async () => {
    const startedAt = performance.now();
    containers = await Deployment.up(engineOf(ROOT), ROOT, server, true);
    ({ optionsOf } = await readLogins(containers));
    for (const component of NODES) {
      const viewer = await eventually(() => connect({ ...optionsOf("viewer"), component }));
      const load = await eventually(() => viewer.subscribe<number>("publisher@localhost/load"));
      await load[Symbol.asyncIterator]().next();
      await viewer.close();
    }
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    process.stderr.write(`${server}: values at three nodes ${seconds} s after \`up\`\n`);
  }, 240_000);
  afterAll(() => containers?.down(), 120_000);

  it("a killed node and a lost primary of Redis lose and repeat nothing of a log with `sync`", async () => {
    const publisher = await logIn("publisher", "streams.localhost");
    const log = await publisher.offer("kept", { kind: "log", durability: "sync" });
    const records = await Promise.all(NODES.map((component) => record(component, log.node)));
    const counter = publishCounter((value) => log.publish(value), 20);
    const flows = async (what: string): Promise<void> => {
      const before = counter.count;
      const arrived = (): boolean => records.every(({ values }) => (values.at(-1) ?? 0) > before);
      await until(arrived, BACK_MS, what);
    };
    await flows("updates at each node");

    process.kill((await containers.stateOf("component2")).Pid, "SIGKILL");
    await flows("updates after the kill of a node");

    const old = await primary();
    const other = old === "redis1" ? "redis2" : "redis1";
    await containers.act(old, "stop");
    await eventually(async () => expect(await primary()).toBe(other));
    // A primary without a replica takes no writes.
    await containers.act(old, "start");
    await eventually(async () =>
      expect([await roleOf(old), await roleOf(other)]).toEqual(["slave", "master"]),
    );
    await flows("updates after the failover");

    counter.stop();
    const all = upTo(counter.count);
    await until(() => records.every(({ values }) => values.length >= all.length), BACK_MS, "the last update");
    for (const each of records) expect(each).toEqual({ values: all, told: [] });
    const late = await record("streams3.localhost", log.node);
    await until(() => late.values.length >= all.length, BACK_MS, "the whole log");
    expect(late).toEqual({ values: all, told: [] });
  });

  it("the health checks pass", async () => {
    for (const name of ["component2", "component3", "redis1", "redis2", "sentinel"] as const)
      await eventually(() => containers.act(name, "healthcheck", "run"));
  });

  it.each(["component3", "component2", "component", "sentinel", "redis2", "redis1"] as const)(
    "`stop` ends %s with status 0",
    async (container) => {
      await containers.act(container, "stop", "--time", "60");
      expect(await containers.stateOf(container)).toMatchObject({ Status: "exited", ExitCode: 0 });
    },
  );
});
