import type { ClientRow } from "@stanzapack/component";
import { describe, expect, it } from "vitest";
import { MAX_PEERS, peersOf } from "./peers.js";

const CLIENT: ClientRow = {
  ...{ since: 0, envelope: "lean", suspended: false, services: 0, subscriptions: 1, waiting: 0 },
  ...{ unread: 0, waitingFor: null, unacked: 0, unackedSeconds: 0, slowedMs: 0, stanzas: 1 },
};

describe("clients", () => {
  it("are listed from the slowest on, with the reasons", () => {
    const clients = new Map([
      ["fine@x/1", { ...CLIENT, unacked: 9, unackedSeconds: 60 }],
      ["slow@x/1", { ...CLIENT, waiting: 2, unread: 1 }],
      ["gone@x/1", { ...CLIENT, suspended: true, unackedSeconds: 120 }],
    ]);
    const { peers, leftOut } = peersOf(clients, false);
    expect(peers.map(({ jid }) => jid)).toEqual(["gone@x/1", "slow@x/1"]);
    expect(peers[0]?.reasons).toHaveLength(2);
    expect(peers[1]?.reasons).toEqual(["its program does not read"]);
    expect(leftOut).toBe(0);
    expect(peersOf(clients, true).peers.map(({ jid }) => jid)).toEqual(["gone@x/1", "slow@x/1", "fine@x/1"]);
  });

  it("are bounded", () => {
    const clients = new Map(Array.from({ length: 500 }, (_, i) => [`u${i}@x/1`, CLIENT]));
    expect(peersOf(clients, true)).toMatchObject({ leftOut: 500 - MAX_PEERS });
  });
});
