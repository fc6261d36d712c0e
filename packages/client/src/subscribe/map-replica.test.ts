import type { MapEntry, SnapshotFrame, Value } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { MapReplica } from "./map-replica.js";

const frame = (fields: Partial<SnapshotFrame> = {}): SnapshotFrame => ({
  ...{ type: "snapshot", alias: 1, epoch: 7, from: 1, to: 1, begins: false, left: 0 },
  ...{ form: "rows", payload: new Uint8Array(0) },
  ...fields,
});
const entry = (position: number, key: string, value?: Value): MapEntry<Value> => ({ position, key, value });
const rows = (from: number, ...of: Value[]) => ({
  ...{ epoch: 7, from, to: from + of.length - 1, rows: of, at: 0, spanMs: 0 },
});
const listed = (replica: MapReplica): string => JSON.stringify(Object.fromEntries(replica.values));

/** A replica of {a: 1, b: 2} at position 5. */
function filled(): MapReplica {
  const replica = new MapReplica();
  replica.snapshot(frame({ begins: true, to: 5 }), [entry(2, "a", 1), entry(5, "b", 2)]);
  return replica;
}

describe("a replica of a map", () => {
  it("is empty until a whole pass is there, and reports the way", () => {
    const replica = new MapReplica();
    expect([replica.position, replica.synced]).toEqual([undefined, false]);
    expect(replica.snapshot(frame({ begins: true, to: 2, left: 3 }), [entry(2, "a", 1)])).toEqual({
      ...{ changes: [], synced: false, syncing: { received: 1, left: 3 } },
    });
    expect([listed(replica), replica.position, replica.synced]).toEqual([
      "{}",
      { epoch: 7, offset: 2 },
      false,
    ]);
    expect(replica.snapshot(frame({ from: 3, to: 5 }), [entry(5, "b", 2)])).toEqual({
      changes: [
        { key: "a", value: 1, previous: undefined },
        { key: "b", value: 2, previous: undefined },
      ],
      ...{ synced: true, syncing: undefined },
    });
    expect([listed(replica), replica.position, replica.synced]).toEqual([
      ...['{"a":1,"b":2}', { epoch: 7, offset: 5 }, true],
    ]);
  });

  it("applies updates as they come, and says what differs", () => {
    const replica = filled();
    const { changes, synced } = replica.update(
      rows(
        6,
        [
          ["a", 3],
          ["c", 1],
        ],
        [["b"], ["b"], ["no"], ["a", 3]],
      ),
    );
    expect(changes).toEqual([
      { key: "a", value: 3, previous: 1 },
      { key: "c", value: 1, previous: undefined },
      { key: "b", value: undefined, previous: 2 },
    ]);
    expect([synced, listed(replica), replica.position?.offset]).toEqual([false, '{"a":3,"c":1}', 7]);
  });

  it("takes a clear with what follows it as one change", () => {
    const replica = filled();
    const { changes } = replica.update(rows(6, [["a", 3], [], ["b", 2], ["c", 1]]));
    expect(changes).toEqual([
      { key: "a", value: undefined, previous: 1 },
      { key: "c", value: 1, previous: undefined },
    ]);
    expect(listed(replica)).toBe('{"b":2,"c":1}');
    expect(replica.update(rows(7, [[]])).changes).toHaveLength(2);
    expect(listed(replica)).toBe("{}");
  });

  it("shows nothing of an update before all of its rows are there", () => {
    const replica = filled();
    expect(replica.update(rows(6, [["a", 3], null])).changes).toEqual([]);
    expect([listed(replica), replica.position?.offset]).toEqual(['{"a":1,"b":2}', 6]);
    expect(replica.update(rows(7, [["b"]])).changes).toHaveLength(2);
    expect(listed(replica)).toBe('{"a":3}');
  });

  it("joins the first rows of an update with a pass that brings the rest", () => {
    const replica = filled();
    replica.update(rows(6, [["a", 3], null]));
    replica.snapshot(frame({ from: 7, to: 7, left: 1 }), []);
    replica.snapshot(frame({ from: 8, to: 8 }), [entry(8, "c", 1)]);
    expect(listed(replica)).toBe('{"a":3,"b":2,"c":1}');
  });

  it("drops what it has already", () => {
    const replica = filled();
    expect(replica.update(rows(4, [["a", 9]], [["a", 9]])).changes).toEqual([]);
    expect(replica.update(rows(5, [["a", 9]], [["a", 4]])).changes).toEqual([
      { key: "a", value: 4, previous: 1 },
    ]);
  });

  it("ignores updates of a map that it does not have", () => {
    const replica = new MapReplica();
    expect(replica.update(rows(1, [["a", 9]])).changes).toEqual([]);
    expect(replica.position).toBeUndefined();
    const other = filled();
    other.update({ ...rows(6, [["a", 9]]), epoch: 8 });
    expect([listed(other), other.position?.offset]).toEqual(['{"a":1,"b":2}', 5]);
  });

  it("keeps its state through a break, and goes on where it was", () => {
    const replica = filled();
    replica.interrupt();
    expect([replica.synced, listed(replica)]).toEqual([false, '{"a":1,"b":2}']);
    const outcome = replica.snapshot(frame({ from: 6, to: 9 }), [entry(7, "b", 3), entry(9, "a")]);
    expect(outcome).toEqual({
      changes: [
        { key: "b", value: 3, previous: 2 },
        { key: "a", value: undefined, previous: 1 },
      ],
      ...{ synced: true, syncing: undefined },
    });
    replica.interrupt();
    expect(replica.snapshot(frame({ from: 10, to: 9 }), [])).toMatchObject({ changes: [], synced: true });
  });

  it("keeps half of a pass through a break", () => {
    const replica = filled();
    replica.snapshot(frame({ from: 6, to: 7, left: 5 }), [entry(7, "a", 7)]);
    replica.interrupt();
    expect(replica.position?.offset).toBe(7);
    replica.snapshot(frame({ from: 8, to: 9 }), [entry(9, "b")]);
    expect(listed(replica)).toBe('{"a":7}');
  });

  it("is replaced by a pass from the beginning, and says only what differs", () => {
    const replica = filled();
    replica.update(rows(6, [["c", { x: [1, 2] }]]));
    const begin = frame({ epoch: 9, begins: true, to: 1, left: 1 });
    expect(replica.snapshot(begin, [entry(1, "c", { x: [1, 2] })]).changes).toEqual([]);
    expect(listed(replica)).toBe('{"a":1,"b":2,"c":{"x":[1,2]}}');
    const { changes } = replica.snapshot(frame({ epoch: 9, from: 2, to: 2 }), [entry(2, "b", 5)]);
    expect(changes).toEqual([
      { key: "a", value: undefined, previous: 1 },
      { key: "b", value: 5, previous: 2 },
    ]);
    expect(replica.position).toEqual({ epoch: 9, offset: 2 });
  });

  it("stays as it was while the map's new life has no update, and then says only what differs", () => {
    const began = (): MapReplica => {
      const replica = filled();
      expect(replica.snapshot(frame({ epoch: 8, begins: true, to: 0 }), [])).toMatchObject({ changes: [] });
      expect([listed(replica), replica.synced]).toEqual(['{"a":1,"b":2}', false]);
      return replica;
    };
    const differs = [
      { key: "b", value: undefined, previous: 2 },
      { key: "c", value: 3, previous: undefined },
    ];
    const byData = began();
    const first = [
      ["a", 1],
      ["c", 3],
    ];
    expect(byData.update({ ...rows(1, first), epoch: 8 })).toMatchObject({ changes: differs, synced: true });
    const byPass = began();
    byPass.interrupt();
    const pass = frame({ epoch: 8, from: 1, to: 1 });
    expect(byPass.snapshot(pass, [entry(1, "a", 1), entry(1, "c", 3)])).toMatchObject({
      ...{ changes: differs, synced: true },
    });
    for (const replica of [byData, byPass])
      expect([listed(replica), replica.synced]).toEqual(['{"a":1,"c":3}', true]);
    // Who has nothing of an earlier life has the whole map: it is empty.
    expect(new MapReplica().snapshot(frame({ begins: true, to: 0 }), [])).toMatchObject({ synced: true });
  });

  it("gives a later reader everything that it has", () => {
    expect(filled().state).toEqual({
      changes: [
        { key: "a", value: 1, previous: undefined },
        { key: "b", value: 2, previous: undefined },
      ],
      ...{ synced: true, syncing: undefined },
    });
  });

  it.each<[string, Partial<SnapshotFrame>]>([
    ["leaves positions out", { from: 7, to: 8 }],
    ["is of another life", { epoch: 8, from: 6, to: 8 }],
  ])("refuses a pass that %s", (_, fields) => {
    expect(() => filled().snapshot(frame(fields), [])).toThrow(expect.objectContaining({ code: "protocol" }));
  });

  it("refuses what is no update", () => {
    expect(() => filled().update(rows(6, "no"))).toThrow(expect.objectContaining({ code: "malformed" }));
  });
});
