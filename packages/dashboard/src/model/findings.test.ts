import type { ClientRow, ComponentRow, ServiceRow } from "@stanzapack/component";
import { describe, expect, it } from "vitest";
import { findingsOf } from "./findings.js";
import type { Silence } from "./rhythms.js";

const OVERVIEW: ComponentRow = {
  ...{ version: "0.1.0", startedAt: 0, links: { lean: 2, ibb: 1, suspended: 0 }, services: 1 },
  ...{ subscriptions: 2, lanes: 1, cursors: 0, updatesIn: 10, updatesOut: 20, stanzas: 2, chars: 300 },
  ...{ jsonChars: 900, conflated: 0, lost: 0, waiting: { credit: 0, room: 0 }, unackedMs: 0 },
  ...{ waitingRows: 0, oldestRowMs: 0, processor: 0.1, memoryBytes: 1e8, loopDelayMs: 5 },
  ...{ roundTripMs: 2, refusals: 0, refused: null, slowdowns: 0, cutOffs: 0, cutOff: [], store: null },
};
const SERVICE: ServiceRow = {
  ...{ kind: "value", access: "open", durability: "none", title: "", status: "online" },
  ...{ publisher: "a@b/c", subscribers: 1, waiting: 0, windowMs: 1_000, slowedMs: 0, at: 0 },
  ...{ updatesIn: 1, updatesOut: 1, chars: 100, jsonChars: 200 },
};
const CLIENT: ClientRow = {
  ...{ since: 0, envelope: "lean", suspended: false, services: 0, subscriptions: 1, waiting: 0 },
  ...{ unread: 0, waitingFor: null, unacked: 0, unackedSeconds: 0, slowedMs: 0, stanzas: 1 },
};

function textsOf(
  overview: Partial<ComponentRow>,
  service: Partial<ServiceRow> = {},
  client: Partial<ClientRow> = {},
  silences: readonly Silence[] = [],
): string[] {
  return findingsOf({
    overview: { ...OVERVIEW, ...overview },
    services: new Map([["a@b/s", { ...SERVICE, ...service }]]),
    clients: new Map([["c@d/e", { ...CLIENT, ...client }]]),
    silences,
  }).map(({ weight, text }) => `${weight}: ${text.replaceAll("\u00a0", " ")}`);
}

describe("what needs attention", () => {
  it("is nothing in a component that is well", () => {
    expect(textsOf({})).toEqual([]);
  });

  it.each<[string, Parameters<typeof textsOf>, RegExp]>([
    [
      "a full store",
      [{ store: { bytes: 1, freeBytes: null, problem: "no space left." } }],
      /^bad: The store .*no space left\.$/,
    ],
    ["a disk that fills", [{ store: { bytes: 1, freeBytes: 1e6, problem: null } }], /^warn: .* 1 MB free/],
    [
      "a publisher that hangs",
      [{}, {}, {}, [{ node: "a@b/s", sinceMs: 25_000, rate: 5 }]],
      /^warn: a@b\/s: no update for 25 s, before there were 5 \/s\. Its publisher hangs/,
    ],
    ["lost updates", [{ lost: 3 }], /^warn: Updates lost .*: 3\.$/],
    ["a slow server", [{ roundTripMs: 2_500 }], /^bad: The XMPP server takes 2.5 s/],
    ["a busy processor", [{ processor: 0.97 }], /^warn: .* 97 % of a processor/],
    ["a stopped process", [{ loopDelayMs: 800 }], /^bad: .* nothing for 800 ms: with 10 % .* was stopped\.$/],
    [
      "a process that has too much to do",
      [{ loopDelayMs: 800, processor: 0.8 }],
      /^bad: .* nothing for 800 ms: it is too busy\.$/,
    ],
    [
      "a slow subscriber",
      [{ waiting: { credit: 1, room: 0 } }, {}, { waiting: 1, unread: 1, waitingFor: "a@b/s" }],
      /^warn: c@d\/e: the program does not read its updates\. 1 subscription is waiting, such as to a@b\/s\.$/,
    ],
    [
      "a slow network",
      [{}, {}, { waiting: 2, waitingFor: "a@b/s", unacked: 100, unackedSeconds: 6 }],
      /^warn: c@d\/e does not acknowledge: 100 stanzas, the oldest for 6 s\. .* 2 subscriptions are waiting/,
    ],
    [
      "clients that have no row",
      [{ waiting: { credit: 1, room: 2 } }],
      /^warn: 3 other subscriptions are waiting for clients/,
    ],
    ["a silent client", [{ unackedMs: 120_000 }], /^warn: .* for 2 min/],
    ["suspended clients", [{ links: { lean: 1, ibb: 0, suspended: 4 } }], /^bad: 4 clients are suspended/],
    ["a cut-off", [{ cutOff: [{ jid: "x@y", until: 0 }] }], /^bad: x@y is cut off until/],
    ["refused requests", [{ refusals: 12 }], /^warn: 12 \/s requests are refused\.$/],
    [
      "whom the last refusal met",
      [{ refusals: 12, refused: { jid: "eve@x/y", reason: "busy", text: "Come later." } }],
      /^warn: 12 \/s requests are refused, the last of eve@x\/y with `busy`: Come later\.$/,
    ],
    [
      "a flooding publisher",
      [{}, { slowedMs: 2_000 }],
      /^warn: a@b\/s: its publisher a@b\/c is over its budget, with 1 \/s updates\. .* windows of 2 s\.$/,
    ],
    ["a service without a publisher", [{}, { status: "offline" }], /^bad: a@b\/s is offline/],
    ["a flooding client", [{}, {}, { slowedMs: 500 }], /^warn: c@d\/e is over its budget.* 500 ms/],
  ])("names %s", (_, given, wanted) => {
    const found = textsOf(...given);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(wanted);
  });

  it("tells one trouble once", () => {
    expect(textsOf({}, { publisher: "c@d/e", slowedMs: 2_000 }, { slowedMs: 2_000 })).toHaveLength(1);
    const full = { bytes: 1, freeBytes: 0, problem: "full" };
    expect(textsOf({ store: full }, { status: "offline", durability: "sync" })).toEqual([
      "bad: The store cannot write: full.",
      "bad: a@b/s is offline, perhaps because the store cannot write. Subscribers that wait for it: 1.",
    ]);
  });

  it("has the worst first", () => {
    expect(textsOf({ lost: 1, roundTripMs: 900 })[0]).toMatch(/^bad/);
  });
});
