import { execFile } from "node:child_process";
import type { ClientRow, ComponentRow, ServiceRow } from "@stanzapack/component";
import { describe, expect, it, onTestFinished } from "vitest";
import { domainOf, loginEnvironment } from "./support/accounts.js";
import { COMMAND } from "./support/program.js";
import { SERVERS } from "./support/stack.js";
import { startStoredStack } from "./support/stored-stack.js";

const PUBLISH_MS = 50;

interface View {
  readonly overview: ComponentRow;
  readonly services: Readonly<Record<string, ServiceRow>>;
  readonly clients: Readonly<Record<string, ClientRow>>;
}

describe.each(SERVERS)("what an administrator sees of the component, behind %s", (server) => {
  it("comes by three services, and by `stanzapack top`, and nobody else sees it", async () => {
    const stack = await startStoredStack(server, ["ann", "alice", "bob"], undefined, ["ann@localhost"]);
    onTestFinished(() => stack.stop());
    const domain = domainOf(stack.sandbox);
    const ann = await stack.login("ann");
    const alice = await stack.login("alice");
    const bob = await stack.login("bob");
    const run = (user: string, ...args: string[]) =>
      new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
        const env = {
          PATH: process.env["PATH"],
          ...loginEnvironment(stack.sandbox, user, stack.folder),
        };
        execFile(COMMAND, args, { env }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        );
      });

    const service = await alice.offer<{ t: number }>("temp", { title: "A sensor" });
    const timer = setInterval(() => service.publish({ t: 21.5 }), PUBLISH_MS);
    onTestFinished(() => clearInterval(timer));
    const taken = await bob.subscribe(service.node, { windowMs: 100 });
    taken.on("update", () => undefined);

    const [overview, services, clients] = await Promise.all([
      ann.subscribe<ComponentRow>(`${domain}/overview`),
      ann.subscribe<ServiceRow>(`${domain}/services`),
      ann.subscribe<ClientRow>(`${domain}/clients`),
    ]);
    let newest: ComponentRow | undefined;
    overview.on("update", ({ value }) => (newest = value));
    const moving = (): unknown => services.map.get(service.node)?.updatesOut;
    await expect.poll(moving).toBeGreaterThan(5);
    const row = services.map.get(service.node) as ServiceRow;
    expect(row).toMatchObject({
      ...{ kind: "value", access: "open", durability: "interval", title: "A sensor", status: "online" },
      ...{ publisher: alice.jid, subscribers: 1, waiting: 0, windowMs: 100, slowedMs: 0 },
    });
    expect(row.jsonChars).toBeGreaterThan(row.chars);
    // The component shows what people offer, not what it offers itself.
    expect([...services.map.keys()]).toEqual([service.node]);
    await expect.poll(() => [...clients.map.keys()].sort()).toEqual([alice.jid, ann.jid, bob.jid].sort());
    expect(clients.map.get(alice.jid)).toMatchObject({ services: 1, subscriptions: 0, suspended: false });
    await expect.poll(() => newest?.updatesOut).toBeGreaterThan(5);
    expect(newest).toMatchObject({ lost: 0, cutOff: [], store: { problem: null } });
    expect(newest?.store?.freeBytes).toBeGreaterThan(0);
    expect(newest?.store?.bytes).toBeGreaterThan(0);

    await taken.stop();
    await expect.poll(() => services.map.get(service.node)?.subscribers).toBe(0);
    // The rate is a mean, so it takes a quarter of a minute to be 0.
    await expect.poll(moving).toBeLessThan(5);
    clearInterval(timer);
    await service.stop();
    await expect.poll(() => services.map.size).toBe(0);
    await expect(bob.subscribe(`${domain}/overview`)).rejects.toMatchObject({ code: "not-allowed" });
    expect(await bob.listServices(domain)).toEqual([]);
    expect(await ann.listServices()).toEqual([]);
    expect((await ann.listServices(domain)).map(({ node }) => node)).toContain(`${domain}/clients`);

    const [one, plain, refused] = await Promise.all([
      run("ann", "top", "--json", "--count", "1"),
      run("ann", "top", "--count", "2", "--interval", "1s"),
      run("bob", "top", "--count", "1"),
    ]);
    expect([one.code, one.stderr]).toEqual([0, ""]);
    const view = JSON.parse(one.stdout) as View;
    expect(Object.keys(view.clients)).toContain(ann.jid);
    expect(view.overview.links.lean + view.overview.links.ibb).toBeGreaterThanOrEqual(3);
    expect(plain.stdout.match(/^streams\.localhost, version/gm)).toHaveLength(2);
    expect([refused.code, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toContain("not-allowed: bob@localhost");
    expect(refused.stderr).toContain("`admins`");
  });

  it("costs nothing and is offered to nobody without administrators", async () => {
    const stack = await startStoredStack(server, ["ann"]);
    onTestFinished(() => stack.stop());
    const ann = await stack.login("ann");
    expect(await ann.listServices()).toEqual([]);
    await expect(ann.subscribe(`${domainOf(stack.sandbox)}/overview`)).rejects.toMatchObject({
      code: "no-such-service",
    });
  });
});
