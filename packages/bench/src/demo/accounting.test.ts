import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apportion, TrafficAccount } from "./accounting.js";

function createMeter(): {
  received: { xmpp: number; socket: number };
  sent: { xmpp: number; socket: number };
} {
  return { received: { xmpp: 500, socket: 0 }, sent: { xmpp: 300, socket: 0 } };
}

describe("TrafficAccount", () => {
  test("counts from `begin` on", () => {
    const meter = createMeter();
    const account = new TrafficAccount(meter, ["a"]);
    account.begin();
    meter.received.xmpp += 200;
    meter.sent.xmpp += 20;
    account.countStanza(180, [{ service: "a", chars: 40 }]);
    expect(account.take()).toEqual({
      total: { down: 200, up: 20 },
      services: new Map([["a", { down: 200, up: 20 }]]),
      rest: 0,
    });
  });

  test("tells the part of the bytes that belongs to no update", () => {
    const meter = createMeter();
    const account = new TrafficAccount(meter, ["a", "b"]);
    account.begin();
    meter.received.xmpp += 100;
    account.passOver();
    meter.received.xmpp += 200;
    account.countStanza(200, [{ service: "a", chars: 40 }]);
    expect(account.take().rest).toBeCloseTo(1 / 3);
  });

  test("splits a stanza by its parts", () => {
    const meter = createMeter();
    const account = new TrafficAccount(meter, ["a", "b"]);
    account.begin();
    meter.received.xmpp += 1_000;
    meter.sent.xmpp += 100;
    // a: 150 of 200; b: 50 and 200; so 150 to 250.
    account.countStanza(200, [
      { service: "a", chars: 60 },
      { service: "b", chars: 20 },
    ]);
    account.countStanza(200, [{ service: "b", chars: 10 }]);
    const { services } = account.take();
    expect(services.get("a")).toEqual({ down: 375, up: 38 });
    expect(services.get("b")).toEqual({ down: 625, up: 62 });
  });

  test("divides an answer in proportion to its stanzas, whatever its head or compression made of it", () => {
    for (const [down, a, b] of [
      [1_000, 200, 800],
      [200, 40, 160],
    ] as const) {
      const meter = createMeter();
      const account = new TrafficAccount(meter, ["a", "b"]);
      account.begin();
      meter.received.xmpp += down;
      meter.sent.xmpp += 100;
      account.countStanza(100, [{ service: "a", chars: 7 }]);
      account.countStanza(400, [{ service: "b", chars: 7 }]);
      const { services } = account.take();
      expect([services.get("a"), services.get("b")]).toEqual([
        { down: a, up: 20 },
        { down: b, up: 80 },
      ]);
    }
  });

  test("gives a stanza what the stream grew by when it came, however long it was before it was compressed", () => {
    const meter = createMeter();
    const account = new TrafficAccount(meter, ["a", "b"]);
    account.begin();
    for (const [service, grown] of [
      ["a", 30],
      ["b", 10],
      ["a", 30],
    ] as const) {
      meter.received.xmpp += grown;
      account.countStanza(500, [{ service, chars: 1 }]);
    }
    // The answer to a request arrived meanwhile: divided as 60 to 10.
    meter.received.xmpp += 70;
    expect(account.take().services).toEqual(
      new Map([
        ["a", { down: 120, up: 0 }],
        ["b", { down: 20, up: 0 }],
      ]),
    );
  });

  test.each([
    { bosh: false, up: [110, 220] },
    { bosh: true, up: [132, 198] },
  ])(
    "divides what is passed over like the stanzas, and bytes up too, but for BOSH: $bosh",
    ({ bosh, up }) => {
      const meter = createMeter();
      const account = new TrafficAccount(meter, ["a", "b"], bosh);
      account.begin();
      meter.received.xmpp += 900;
      meter.sent.xmpp += 300;
      account.countStanza(900, [{ service: "a", chars: 1 }]);
      account.passOver();
      for (const [service, down, request] of [
        ["a", 100, 12],
        ["b", 200, 18],
      ] as const) {
        meter.received.xmpp += down;
        meter.sent.xmpp += request;
        account.countStanza(down, [{ service, chars: 1 }]);
      }
      expect(account.take().services).toEqual(
        new Map([
          ["a", { down: 400, up: up[0] }],
          ["b", { down: 800, up: up[1] }],
        ]),
      );
    },
  );

  test("what belongs to no service is part of the rest", () => {
    const meter = createMeter();
    const account = new TrafficAccount(meter, ["a", "b"]);
    account.begin();
    meter.received.xmpp += 300;
    account.countStanza(100, [
      { service: "a", chars: 50 },
      { service: undefined, chars: 50 },
    ]);
    account.countStanza(100, [{ service: "b", chars: 8 }]);
    account.countStanza(100, [{ service: undefined, chars: 8 }]);
    const { services } = account.take();
    // Half of the bytes belong to no service: 50 to 100 is left.
    expect(services.get("a")?.down).toBe(100);
    expect(services.get("b")?.down).toBe(200);
  });

  test("adds up to the meter exactly, whatever came", () => {
    const part = fc.record({
      service: fc.constantFrom("a", "b", "c", undefined),
      chars: fc.integer({ min: 1, max: 5_000 }),
    });
    const stanza = fc.record({
      chars: fc.integer({ min: 1, max: 9_000 }),
      parts: fc.array(part, { maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(stanza), fc.nat(1_000_000), fc.nat(1_000_000), (stanzas, down, up) => {
        const meter = createMeter();
        const account = new TrafficAccount(meter, ["a", "b", "c"]);
        account.begin();
        meter.received.xmpp += down;
        meter.sent.xmpp += up;
        for (const { chars, parts } of stanzas) account.countStanza(chars, parts);
        const { total, services } = account.take();
        expect(total).toEqual({ down, up });
        const all = [...services.values()];
        expect(all.reduce((sum, traffic) => sum + traffic.down, 0)).toBe(down);
        expect(all.reduce((sum, traffic) => sum + traffic.up, 0)).toBe(up);
        expect(all.every((traffic) => traffic.down >= 0 && traffic.up >= 0)).toBe(true);
      }),
    );
  });
});

test("apportion gives the remainders to the largest fractions, and even shares where nothing weighs", () => {
  expect(apportion(10, [1, 1, 1])).toEqual([4, 3, 3]);
  expect(apportion(7, [0, 3, 4])).toEqual([0, 3, 4]);
  expect(apportion(5, [0, 0])).toEqual([3, 2]);
});
