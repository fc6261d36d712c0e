import { describe, expect, it, onTestFinished, vi } from "vitest";
import { XmppError } from "../base/errors.js";
import { createServiceSearch, type ServiceSource, type Try } from "./service-search.js";
import { parseServiceUrl, type Service } from "../transports/service-url.js";
import { afterTimers } from "../testing/until.js";

type Behaviour = "opens" | "hangs" | XmppError;

function setUp(behaviours: Record<string, Behaviour>, source: Partial<ServiceSource> = {}, totalMs = 300) {
  const log: string[] = [];
  const search = createServiceSearch(
    {
      explicit: [],
      tcp: () => Promise.resolve([]),
      alternatives: () => {
        log.push("looks");
        return Promise.resolve([]);
      },
      ...source,
    },
    totalMs,
  );
  const begin = (service: Service): Try & { href: string } => {
    const { href } = service.url;
    log.push(href);
    const behaviour = behaviours[href] ?? "hangs";
    let settle: (error: XmppError) => void = () => undefined;
    const opened = new Promise<void>((resolve, reject) => {
      settle = reject;
      if (behaviour === "opens") resolve();
      else if (behaviour !== "hangs") reject(behaviour);
    });
    return {
      href,
      opened,
      abandon: (reason) => {
        log.push(`abandons ${href}`);
        settle(reason);
      },
    };
  };
  const life = new AbortController();
  return { log, search, life, run: () => search.run(begin, life.signal) };
}

const services = (...urls: string[]): Service[] => urls.map(parseServiceUrl);
const TCP = "xmpp://a.test:1";
const WS = "wss://a.test/w";
const BOSH = "https://a.test/b";
const down = new XmppError("unreachable", "down");

describe("the search for a service", () => {
  it("tries in order and stops at the first that opens", async () => {
    const { run, log } = setUp({ [TCP]: down, [WS]: "opens" }, { explicit: services(TCP, WS, BOSH) });
    expect((await run()).href).toBe(WS);
    expect(log).toEqual([TCP, WS]);
  });

  it("looks for alternatives only when TCP does not get through", async () => {
    const source = {
      tcp: () => Promise.resolve(services(TCP)),
      alternatives: () => Promise.resolve(services(WS, BOSH)),
    };
    const good = setUp({ [TCP]: "opens" }, source);
    await good.run();
    expect(good.log).toEqual([TCP]);
    const blocked = setUp({ [TCP]: down, [WS]: down, [BOSH]: "opens" }, source);
    expect((await blocked.run()).href).toBe(BOSH);
  });

  it("gives up one that hangs when there is another, in its share of the time", async () => {
    const { run, log } = setUp({ [BOSH]: "opens" }, { explicit: services(TCP, WS, BOSH) });
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const found = run();
    await vi.advanceTimersByTimeAsync(299);
    expect((await found).href).toBe(BOSH);
    expect(log).toEqual([TCP, `abandons ${TCP}`, WS, `abandons ${WS}`, BOSH]);
  });

  it("leaves a slow one alone when there is no other", async () => {
    let open: () => void = () => undefined;
    const { search, life } = setUp({}, {});
    const slow = setUp({}, { tcp: () => Promise.resolve(services(TCP)) }, 90);
    const run = slow.search.run(
      () => ({
        opened: new Promise<void>((resolve) => (open = resolve)),
        abandon: () => expect.unreachable(),
      }),
      slow.life.signal,
    );
    // More than the service's share of the time passes.
    await afterTimers(200);
    open();
    await run;
    expect(slow.log).toEqual(["looks"]);
    await expect(search.run(() => expect.unreachable(), life.signal)).rejects.toMatchObject({
      code: "unreachable",
    });
  });

  it("begins with the one that worked last, and falls through to the others", async () => {
    const behaviours: Record<string, Behaviour> = { [TCP]: "opens", [BOSH]: "opens" };
    const { run, search, log } = setUp(behaviours, { explicit: services(TCP, WS, BOSH) });
    search.remember(parseServiceUrl(BOSH));
    expect((await run()).href).toBe(BOSH);
    behaviours[BOSH] = down;
    expect((await run()).href).toBe(TCP);
    expect(log).toEqual([BOSH, BOSH, TCP]);
  });

  it("says what was wrong with each", async () => {
    const tls = new XmppError("tls", "certificate");
    const { run } = setUp({ [TCP]: down, [WS]: tls }, { explicit: services(TCP, WS) });
    const error = (await run().catch((reason: unknown) => reason)) as XmppError;
    expect(error).toMatchObject({ code: "tls" });
    expect(error.message).toMatch(/xmpp:\/\/a.test:1: down; wss:\/\/a.test: certificate/);
    await expect(setUp({ [TCP]: down }, { explicit: services(TCP) }).run()).rejects.toBe(down);
  });

  it("ends with a final error, and when it is told to", async () => {
    const refused = new XmppError("auth", "no");
    await expect(setUp({ [TCP]: refused }, { explicit: services(TCP, WS) }).run()).rejects.toBe(refused);
    const { run, life, log } = setUp({ [TCP]: down }, { explicit: services(TCP, WS) });
    life.abort(refused);
    await expect(run()).rejects.toBe(refused);
    expect(log).toEqual([TCP]);
  });
});
