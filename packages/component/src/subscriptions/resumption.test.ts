import { WHOLE } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import type { ClientLink } from "../links/client-link.js";
import { Resumption } from "./resumption.js";

const options = { windowMs: 100, selection: WHOLE, since: undefined, credit: 7 };

function setUp(limits: { resumeSeconds?: number; maxResumeBytes?: number } = {}) {
  const clock = { now: 1_000_000 };
  const resumption = new Resumption(
    { resumeSeconds: 600, maxResumeBytes: 1_000_000, ...limits },
    () => clock.now,
  );
  const link = (bareJid = "bob@x", nodes: readonly string[] = ["alice@x/a", "alice@x/b"]): ClientLink => {
    const subscriptions = new Map(nodes.map((node, alias) => [alias + 5, { service: { node }, options }]));
    return { bareJid, subscriptions } as unknown as ClientLink;
  };
  return { resumption, link, clock };
}

describe("resume tokens", () => {
  it("give back what a link had, once", () => {
    const { resumption, link } = setUp();
    const [old, next, third] = [link(), link(), link()];
    const token = resumption.issue(old);
    expect(token.length).toBe(18);
    resumption.issue(next);
    resumption.linkEnded(old);
    const kept = resumption.claim(next, token);
    expect([...kept]).toEqual([
      [5, { node: "alice@x/a", options }],
      [6, { node: "alice@x/b", options }],
    ]);
    // The link that claimed the token may use it for as many frames as it needs. No other link may use it.
    expect(resumption.claim(next, token)).toBe(kept);
    expect(() => resumption.claim(third, token)).toThrow(expect.objectContaining({ code: "not-resumable" }));
    resumption.release(next);
    expect(() => resumption.claim(next, token)).toThrow("was used");
  });

  it("are no good to another account, and good to their own afterwards", () => {
    const { resumption, link } = setUp();
    const old = link();
    const token = resumption.issue(old);
    const mallory = link("mallory@x");
    expect(() => resumption.claim(mallory, token)).toThrow("another account's");
    resumption.linkEnded(old);
    expect(() => resumption.claim(mallory, token)).toThrow("another account's");
    expect(resumption.claim(link(), token).size).toBe(2);
  });

  it("end a link that nobody noticed the end of, but never the one that asks", () => {
    const { resumption, link } = setUp();
    const old = link();
    const token = resumption.issue(old);
    const ended: ClientLink[] = [];
    resumption.onTakeOver = (it) => {
      ended.push(it);
      resumption.linkEnded(it);
    };
    expect(() => resumption.claim(old, token)).toThrow("unknown");
    expect(ended).toEqual([]);
    expect(resumption.claim(link(), token).size).toBe(2);
    expect(ended).toEqual([old]);
  });

  it("are good for so long after their link's end, and not after a goodbye, or without subscriptions", () => {
    const { resumption, link, clock } = setUp({ resumeSeconds: 10 });
    const [early, late, polite, empty] = [link(), link(), link(), link("bob@x", [])];
    const tokens = [early, late, polite, empty].map((it) => resumption.issue(it));
    resumption.linkEnded(early);
    resumption.forget(polite);
    for (const it of [polite, empty]) resumption.linkEnded(it);
    clock.now += 6_000;
    resumption.linkEnded(late);
    clock.now += 5_000;
    resumption.sweep();
    const good = tokens.map((token) => {
      try {
        return resumption.claim(link(), token).size;
      } catch {
        return 0;
      }
    });
    expect(good).toEqual([0, 2, 0, 0]);
  });

  it("end with a goodbye that is read late, after the link's stream has closed", () => {
    const { resumption, link } = setUp();
    const [closed, polite] = [link(), link()];
    const tokens = [closed, polite].map((it) => resumption.issue(it));
    for (const it of [closed, polite]) resumption.linkEnded(it);
    resumption.forget(polite);
    for (const it of [closed, polite]) {
      it.subscriptions.clear();
      resumption.linkEnded(it);
    }
    expect(resumption.claim(link(), tokens[0] as Uint8Array).size).toBe(2);
    expect(() => resumption.claim(link(), tokens[1] as Uint8Array)).toThrow("unknown");
  });

  it("take no more memory than they may: the oldest go, and what is too large never comes", () => {
    const { resumption, link } = setUp({ maxResumeBytes: 10_000 });
    const links = Array.from({ length: 10 }, (_, i) => link(`user${i}@x`));
    const tokens = links.map((it) => resumption.issue(it));
    const huge = link("huge@x", Array(100).fill("alice@x/a") as string[]);
    const hugeToken = resumption.issue(huge);
    for (const it of [...links, huge]) resumption.linkEnded(it);
    const holders: ClientLink[] = [];
    const good = [...tokens, hugeToken].filter((token, i) => {
      const holder = link([...links, huge][i]?.bareJid);
      try {
        resumption.claim(holder, token);
      } catch {
        return false;
      }
      return holders.push(holder);
    });
    expect(good).toEqual(tokens.slice(-8));
    // A claimed link counts until it is released, and no longer.
    const late = (): number => {
      const old = link();
      const token = resumption.issue(old);
      resumption.linkEnded(old);
      const holder = link();
      try {
        return resumption.claim(holder, token).size;
      } catch {
        return 0;
      } finally {
        resumption.release(holder);
      }
    };
    expect(late()).toBe(0);
    for (const holder of holders) resumption.release(holder);
    expect(Array.from({ length: 10 }, late)).toEqual(Array(10).fill(2));
  });

  it("that are claimed are good no longer than others, and what they take is free then", () => {
    const { resumption, link, clock } = setUp({ resumeSeconds: 10, maxResumeBytes: 10_000 });
    const restoring = Array.from({ length: 8 }, (_, i) => {
      const [old, holder] = [link(`mallory${i}@x`), link(`mallory${i}@x`)];
      const token = resumption.issue(old);
      resumption.linkEnded(old);
      return { holder, token, kept: resumption.claim(holder, token) };
    });
    clock.now += 10_000;
    resumption.sweep();
    for (const { holder, token, kept } of restoring) expect(resumption.claim(holder, token)).toBe(kept);
    clock.now++;
    resumption.sweep();
    for (const { holder, token, kept } of restoring) {
      // A request in work is finished.
      expect(kept.size).toBe(2);
      expect(() => resumption.claim(holder, token)).toThrow(
        expect.objectContaining({ code: "not-resumable" }),
      );
      resumption.release(holder);
    }
    const tokens = restoring.map((_, i) => {
      const old = link(`bob${i}@x`);
      const token = resumption.issue(old);
      resumption.linkEnded(old);
      return token;
    });
    expect(tokens.map((token, i) => resumption.claim(link(`bob${i}@x`), token).size)).toEqual(
      Array(8).fill(2),
    );
  });

  it("of one account give way to its own newer ones, and what it is still restoring counts", () => {
    const { resumption, link } = setUp({ maxResumeBytes: 20_000 });
    const other = link("alice@x");
    const otherToken = resumption.issue(other);
    resumption.linkEnded(other);
    const tokens = Array.from({ length: 20 }, () => {
      const old = link();
      const token = resumption.issue(old);
      resumption.linkEnded(old);
      return token;
    });
    const holders = [link(), link()];
    expect(() => resumption.claim(holders[0] as ClientLink, tokens[17] as Uint8Array)).toThrow("unknown");
    for (const [i, holder] of holders.entries())
      expect(resumption.claim(holder, tokens[18 + i] as Uint8Array).size).toBe(2);
    const late = link();
    const lateToken = resumption.issue(late);
    resumption.linkEnded(late);
    expect(() => resumption.claim(link(), lateToken)).toThrow("unknown");
    expect(resumption.claim(link("alice@x"), otherToken).size).toBe(2);
  });

  it("of all accounts, those of the one that has most give way: many that fill it take nothing from few", () => {
    const { resumption, link } = setUp({ maxResumeBytes: 40_000 });
    const keep = (bareJid: string, times: number): Uint8Array[] =>
      Array.from({ length: times }, () => {
        const old = link(bareJid);
        const token = resumption.issue(old);
        resumption.linkEnded(old);
        return token;
      });
    const [token] = keep("alice@x", 1);
    for (let i = 0; i < 20; i++) keep(`mallory${i}@x`, 10);
    expect(resumption.claim(link("alice@x"), token as Uint8Array).size).toBe(2);
  });
});
