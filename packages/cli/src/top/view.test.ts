import type { ClientRow, ComponentRow, ServiceRow } from "@stanzapack/component";
import { describe, expect, it } from "vitest";
import { formatBytes, formatCount, formatSpan } from "./units.js";
import { formatView, type Snapshot } from "./view.js";

const NOW = 1_800_000_000_000;

const OVERVIEW: ComponentRow = {
  ...{ version: "0.1.0", startedAt: NOW - 3_600_000 * 5 },
  links: { lean: 12_345, ibb: 678, suspended: 901 },
  ...{ services: 100_000, subscriptions: 400_000, lanes: 5, cursors: 2 },
  ...{
    updatesIn: 12_345.6,
    updatesOut: 1_234_567,
    stanzas: 987_654,
    chars: 123_456_789,
    jsonChars: 2_345_678_901,
  },
  ...{ conflated: 3.25, lost: 7, waiting: { credit: 1, room: 22_222 }, unackedMs: 12_345 },
  ...{ waitingRows: 44_444, oldestRowMs: 3, processor: 0.876, memoryBytes: 1_234_567_890, loopDelayMs: 45.6 },
  ...{ roundTripMs: 1.234, refusals: 12.5, refused: null, slowdowns: 3, cutOffs: 4 },
  cutOff: [{ jid: "mallory@example.org/\u001b[2J", until: NOW + 42_000 }],
  store: { bytes: 5_000_000, freeBytes: 7e10, problem: null },
};

const service = (change: Partial<ServiceRow> = {}): ServiceRow => ({
  ...{ kind: "value", access: "open", durability: "none", title: "", status: "online", publisher: "a@x/y" },
  ...{ subscribers: 3, waiting: 0, windowMs: 100, slowedMs: 0, at: NOW - 2_000 },
  ...{ updatesIn: 10, updatesOut: 30, chars: 500, jsonChars: 4_000 },
  ...change,
});

const client = (change: Partial<ClientRow> = {}): ClientRow => ({
  ...{ since: NOW - 1_000, envelope: "lean", suspended: false, services: 0, subscriptions: 2, waiting: 0 },
  ...{ unread: 0, waitingFor: null },
  ...{ unacked: 0, unackedSeconds: 0, slowedMs: 0, stanzas: 10 },
  ...change,
});

const snapshot = (change: Partial<Snapshot> = {}): Snapshot => ({
  ...{
    component: "streams.example.org",
    overview: OVERVIEW,
    services: new Map(),
    clients: new Map(),
    at: NOW,
  },
  ...change,
});

const OPTIONS = { sort: "bytes", rows: 15 } as const;

describe("the view of `top`", () => {
  it("fits 80 columns, whatever the numbers and names are", () => {
    const long = "somebody-with-a-long-name@conference.example.org/";
    const services = new Map([
      [
        `${long}temperature`,
        service({ status: "offline", waiting: 3, slowedMs: 50_000, subscribers: 12_345 }),
      ],
      [
        `${long}x`,
        service({ chars: 12_345_678, updatesIn: 12_345, updatesOut: 123_456, windowMs: 86_400_000 }),
      ],
    ]);
    const clients = new Map([
      [`${long}desk`, client({ suspended: true, waiting: 17, envelope: "ibb", unacked: 100 })],
    ]);
    const view = formatView(snapshot({ services, clients }), OPTIONS);
    expect(view.split("\n").filter((line) => line.trimEnd().length > 80)).toEqual([]);
    expect(view).toContain("as JSON 2.35 GB/s (19 times)");
    expect(view).toContain("cut off: mallory@example.org/?[2J, for 42 s");
  });

  it("sorts services as asked, and says how many it leaves out", () => {
    const services = new Map([
      ["a@x/one", service({ chars: 10, subscribers: 9, at: NOW - 9_000 })],
      ["a@x/two", service({ chars: 30, subscribers: 1, at: NOW })],
      ["a@x/three", service({ chars: 20, subscribers: 5, updatesIn: 99, at: null })],
    ]);
    const order = (sort: Parameters<typeof formatView>[1]["sort"]): string[] =>
      [...formatView(snapshot({ services }), { sort, rows: 15 }).matchAll(/^ *a@x\/(\w+)/gm)].map(
        ([, name = ""]) => name,
      );
    expect(order("bytes")).toEqual(["two", "three", "one"]);
    expect(order("updates")).toEqual(["three", "one", "two"]);
    expect(order("subscribers")).toEqual(["one", "three", "two"]);
    expect(order("age")).toEqual(["two", "one", "three"]);
    expect(order("name")).toEqual(["one", "three", "two"]);
    expect(formatView(snapshot({ services }), { sort: "bytes", rows: 2 })).toContain("… and 1 more services");
  });

  it("puts clients with a trouble first", () => {
    const clients = new Map([
      ["a@x/busy", client({ stanzas: 500 })],
      ["b@x/slow", client({ waiting: 2, unacked: 100, unackedSeconds: 12 })],
      ["c@x/flood", client({ slowedMs: 1_000, waiting: 1 })],
    ]);
    const view = formatView(snapshot({ clients }), OPTIONS);
    expect([...view.matchAll(/^ *\w@x\/(\w+)/gm)].map(([, name]) => name)).toEqual(["flood", "slow", "busy"]);
    expect(view).toMatch(/b@x\/slow .* 100 +12 s +2 wait/);
  });

  it("says what stands in memory, and what a store cannot do", () => {
    expect(formatView(snapshot({ overview: { ...OVERVIEW, store: null } }), OPTIONS)).toContain(
      "store: in memory",
    );
    const store = { bytes: 1, freeBytes: null, problem: "ENOSPC" };
    expect(formatView(snapshot({ overview: { ...OVERVIEW, store } }), OPTIONS)).toContain(
      "store 1 B: CANNOT WRITE, ENOSPC",
    );
  });
});

it("numbers take few columns", () => {
  expect([0, 999, 999.6, 1_234, 999_600, 1_234_567, 5e15].map(formatBytes)).toEqual([
    ...["0 B", "999 B", "1.00 kB", "1.23 kB", "1.00 MB", "1.23 MB", "5000 TB"],
  ]);
  expect([0, 0.25, 9.96, 12.4, 4_500, 12_345, 999_600, 1_234_567].map(formatCount)).toEqual([
    ...["0", "0.3", "10", "12", "4,500", "12.3k", "1.00M", "1.23M"],
  ]);
  expect([0, 0.34, 9.96, 999, 1_500, 59_000, 300_000, 1e7, 2e8].map(formatSpan)).toEqual([
    ...["0 ms", "0.3 ms", "10 ms", "999 ms", "1.5 s", "59 s", "5 min", "3 h", "2 d"],
  ]);
});
