import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createInbox, Intake, type Inbox, type InboxBlock } from "./intake.js";

/** A link whose blocks hold steps. A step is one frame, and takes as many ms as its byte says. */
class Link {
  readonly inbox: Inbox = createInbox();
  constructor(
    readonly name: string,
    readonly bareJid: string,
  ) {}
}

let clock = 0;
/** Processor time of the process, and how much each reading adds to it, in ms. */
let work = 0;
let worksMs = 1_000;
let done: { readonly link: string; readonly at: number }[] = [];
const intake = (): Intake<Link> =>
  new Intake<Link>(
    (link) => {
      const { bytes: block } = link.inbox.blocks.shift() as InboxBlock;
      link.inbox.bytes -= block.length;
      clock += block[0] as number;
      done.push({ link: link.name, at: clock });
    },
    () => clock,
    () => (work += worksMs),
  );
const step = (ms: number): Uint8Array => Uint8Array.of(ms);

/** Advances the timers and the clock together. */
async function pass(ms: number): Promise<void> {
  for (const end = clock + ms; clock < end;) {
    await vi.advanceTimersByTimeAsync(1);
    clock++;
  }
}

beforeEach(() => {
  clock = 0;
  worksMs = 1_000;
  done = [];
  vi.useFakeTimers();
});
afterEach(() => void vi.useRealTimers());

describe("the intake of links", () => {
  it("reads at once what is within an account's share", () => {
    const it = intake();
    const link = new Link("a", "a@x");
    for (let i = 0; i < 10; i++) it.put(link, step(4));
    expect(done).toHaveLength(10);
  });

  it("lets nobody wait for one who has used up its share", async () => {
    const it = intake();
    const [heavy, light] = [new Link("heavy", "h@x"), new Link("light", "l@x")];
    for (let i = 0; i < 100; i++) it.put(heavy, step(60));
    const before = done.length;
    expect(before).toBeLessThanOrEqual(2);
    it.put(light, step(1));
    expect(done.at(-1)).toMatchObject({ link: "light" });

    // The long steps of the heavy link are seldom: they take a fifth of the time.
    const from = clock;
    await pass(6_000);
    const steps = done.filter(({ link }) => link === "heavy").length - before;
    expect((steps * 60) / (clock - from)).toBeLessThan(0.25);
    expect(steps).toBeGreaterThan(10);
    it.stop();
  });

  it("reads short steps one after another, while nobody else wants the time", async () => {
    const it = intake();
    const link = new Link("gateway", "g@x");
    for (let i = 0; i < 200; i++) it.put(link, step(1));
    await pass(400);
    expect(done).toHaveLength(200);
    it.stop();
  });

  it("takes turns among those who wait, also among links of one account", async () => {
    const it = intake();
    const links = [new Link("a", "a@x"), new Link("b", "a@x"), new Link("c", "c@x")];
    for (const link of links) for (let i = 0; i < 20; i++) it.put(link, step(60));
    const before = done.length;
    await pass(3_000);
    const counts = links.map(({ name }) => done.slice(before).filter(({ link }) => link === name).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    it.stop();
  });

  it("counts what coding costs, but not the short ones", async () => {
    const it = intake();
    const link = new Link("a", "a@x");
    for (let i = 0; i < 100; i++) it.charge("a@x", 2);
    it.put(link, step(1));
    expect(done).toHaveLength(1);
    it.charge("a@x", 80);
    it.put(link, step(1));
    expect(done).toHaveLength(1);
    await pass(500);
    expect(done).toHaveLength(2);
    it.stop();
  });

  it("charges nobody for the time in which other processes had the processor", () => {
    const it = intake();
    const link = new Link("a", "a@x");
    worksMs = 1;
    for (let i = 0; i < 10; i++) it.put(link, step(200));
    it.charge("a@x", 200);
    it.put(link, step(1));
    expect(done).toHaveLength(11);
  });

  it("reads the first block of a link at once, though its account has used up its share", async () => {
    const it = intake();
    it.charge("a@x", 80);
    const link = new Link("a", "a@x");
    it.put(link, step(1), undefined, true);
    expect(done).toHaveLength(1);
    it.put(link, step(1));
    expect(done).toHaveLength(1);
    await pass(500);
    expect(done).toHaveLength(2);
    it.stop();
  });

  it("takes no more than its bounds, and forgets a link's blocks with it", async () => {
    const it = intake();
    const link = new Link("a", "a@x");
    it.charge("a@x", 80);
    for (let i = 0; i < 256; i++) expect(it.put(link, step(60))).toBe(true);
    expect(it.put(link, step(60))).toBe(false);
    const other = new Link("b", "a@x");
    expect(it.put(other, new Uint8Array(8_388_608))).toBe(true);
    expect(it.put(other, step(1))).toBe(false);
    it.forget(link);
    expect(link.inbox).toMatchObject({ frames: [], blocks: [], bytes: 0, blockBytes: 0 });
    it.stop();
  });

  it("takes no more of all links of one account than its part of the memory, and of others all the same", async () => {
    const it = intake();
    it.charge("a@x", 80);
    it.charge("b@x", 80);
    const full = new Uint8Array(8_388_608);
    const links = Array.from({ length: 9 }, (_, i) => new Link(`${i}`, "a@x"));
    expect(links.map((link) => it.put(link, full))).toEqual([...Array(8).fill(true), false]);
    expect(it.put(new Link("other", "b@x"), full)).toBe(true);
    it.forget(links[0] as Link);
    expect(it.put(links[8] as Link, full)).toBe(true);
    it.sweep();
    // Blocks that were read count no more.
    await pass(2_000);
    it.charge("a@x", 80);
    for (const link of links.slice(0, 8)) expect(it.put(link, full)).toBe(true);
    it.stop();
  });
});
