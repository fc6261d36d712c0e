import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StanzapackError, WHOLE } from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import { pino } from "pino";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { ClientLink } from "../links/client-link.js";
import { DiskStore } from "../store/disk/disk-store.js";
import { LmdbEngine } from "../store/disk/lmdb-engine.js";
import { Resumption } from "../subscriptions/resumption.js";
import { LosesUnflushed, storeOptions } from "../testing/stores.js";
import { createWholeBroker, type OpenLink } from "../testing/whole-broker.js";
import { Purge, type Holdings } from "./purge.js";

const NOTHING: Holdings = { services: [], cursors: [], subscriptions: [], grants: [], requests: [] };
const ALL: Holdings = {
  services: ["carol@x/gone", "carol@x/log", "carol@x/map", "carol@x/value"],
  cursors: ["alice@x/asks place"],
  subscriptions: ["alice@x/asks", "alice@x/open"],
  grants: ["alice@x/asks", "alice@x/members"],
  requests: ["alice@x/other"],
};

/** A component with a store, in which carol has something of everything. */
async function setUp() {
  const location = await mkdtemp(join(tmpdir(), "stanzapack-purge-"));
  onTestFinished(() => rm(location, { recursive: true, force: true }));
  const file = join(location, "data.mdb");
  const engine = new LosesUnflushed(new LmdbEngine(file));
  engine.held = false;
  const store = new DiskStore(engine, storeOptions({ intervalMs: 1 }));
  onTestFinished(() => store.close().catch(() => undefined));
  const { broker, offer, open, publish } = createWholeBroker();
  broker.stored.use(store);
  void broker.cursors.use(store.cursors);
  const [alice, carol] = [open("alice@x/1"), open("carol@x/1")];
  const links = new Map<string, ClientLink[]>([["carol@x", [carol.link]]]);
  const kept = new Resumption({ resumeSeconds: 600, maxResumeBytes: 1e6 });
  const accountLinks = { ofAccount: (jid: string) => links.get(jid) ?? [], kept };
  const purge = new Purge(broker, accountLinks, pino({ level: "silent" }));
  const subscribe = async (link: ClientLink, node: string, cursor?: string): Promise<void> => {
    const asked = { windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity, cursor };
    await broker.subscriptions.subscribe(link, node, asked, monotonicNow());
  };

  const log = await offer(carol.link, "carol@x/log", { kind: "log", durability: "sync" });
  publish(log, ["carol was here"], 1);
  await log.storing;
  await offer(carol.link, "carol@x/map", { kind: "map", durability: "interval" });
  await offer(carol.link, "carol@x/value", { durability: "none" });
  const gone = await offer(carol.link, "carol@x/gone", { kind: "log", durability: "sync" });
  broker.offers.withdraw(gone, carol.link);
  const asks = await offer(alice.link, "alice@x/asks", { kind: "log", access: "authorize" });
  asks.record.approved.add("carol@x", Date.now()).add("bob@x", Date.now());
  await broker.stored.changed(asks.record);
  const members = new Set(["carol@x", "bob@x"]);
  await offer(alice.link, "alice@x/members", { access: "whitelist", members });
  await offer(alice.link, "alice@x/open", {});
  await offer(alice.link, "alice@x/other", { access: "authorize" });
  await subscribe(carol.link, "alice@x/asks", "place");
  await subscribe(carol.link, "alice@x/open");
  await expect(subscribe(carol.link, "alice@x/other")).rejects.toMatchObject({ code: "pending" });
  return { broker, store, engine, purge, alice, carol, offer, file };
}

/** Everything in the store's entries, as text. */
function textOf(engine: LosesUnflushed): string {
  const items = [...engine.range(Uint8Array.of(0), Uint8Array.of(255))];
  return items.map(({ value }) => Buffer.from(value ?? []).toString("latin1")).join("\n");
}

const codesOf = ({ out }: OpenLink): string[] =>
  out.filter((each) => each === "withdrawn" || each === "not-allowed");

describe("a purge", () => {
  it("finds what the component keeps of an account, and changes nothing", async () => {
    const { purge, engine } = await setUp();
    const before = textOf(engine);
    expect(before).toContain("carol");
    expect(purge.find("carol@x")).toEqual(ALL);
    expect(purge.find("bob@x")).toEqual({ ...NOTHING, grants: ["alice@x/asks", "alice@x/members"] });
    expect(purge.find("nobody@x")).toEqual(NOTHING);
    expect(textOf(engine)).toBe(before);
  });

  it("removes all of it, tells the account's programs, and leaves others theirs", async () => {
    const { purge, broker, store, engine, alice, carol, offer } = await setUp();
    carol.out.length = alice.out.length = 0;
    expect(await purge.run("carol@x", "root@x")).toEqual(ALL);
    expect(purge.find("carol@x")).toEqual(NOTHING);
    expect(await purge.run("carol@x", "root@x")).toEqual(NOTHING);
    // Its three services, its two subscriptions.
    expect(codesOf(carol).sort()).toEqual([
      ...["not-allowed", "not-allowed"],
      ...["withdrawn", "withdrawn", "withdrawn"],
    ]);
    expect(codesOf(alice)).toEqual([]);
    expect([...broker.catalog.services.keys()].sort()).toEqual([
      "alice@x/asks",
      "alice@x/members",
      "alice@x/open",
      "alice@x/other",
    ]);
    expect(purge.find("bob@x").grants).toEqual(["alice@x/asks", "alice@x/members"]);
    expect(store.cursors.ofOwner("carol@x")).toEqual([]);
    // The journal is removed piece by piece. Nothing in the store has the account's name then.
    await vi.waitFor(() => expect(textOf(engine)).not.toContain("carol"), 5_000);
    expect(textOf(engine)).toContain("bob@x");
    // A new life has the next epoch, so that nobody takes its positions for old ones.
    const again = await offer(carol.link, "carol@x/log", { kind: "log", durability: "sync" });
    expect(again.record).toMatchObject({ epoch: 8, offset: 0 });
  });

  it("says that the disk does not take it, and deletes the rest when it is run again", async () => {
    const { purge, broker, store, engine } = await setUp();
    engine.refuse(new StanzapackError("store-failed", "the disk is full"));
    await expect(purge.run("carol@x", "root@x")).rejects.toMatchObject({
      ...{ code: "busy", retryAfterMs: 5_000 },
      text: expect.stringMatching(
        /^the store did not take \d+ deletions of carol@x: the disk is full$/,
      ) as string,
    });
    // Nobody sees the rest, but it is still there.
    expect([...broker.catalog.ownedBy("carol@x")]).toEqual([]);
    expect(purge.find("carol@x")).toMatchObject({
      services: ["carol@x/gone", "carol@x/log", "carol@x/map"],
      cursors: ALL.cursors,
      // These wait for the disk as all writes of services with `interval` do.
      grants: [],
      subscriptions: [],
    });
    engine.refuse(undefined);
    await purge.run("carol@x", "root@x");
    expect(purge.find("carol@x")).toEqual(NOTHING);
    expect([...store.services()].filter(({ node }) => node.startsWith("carol@x/"))).toEqual([]);
    await vi.waitFor(() => expect(textOf(engine)).not.toContain("carol"), 5_000);
  });
});
