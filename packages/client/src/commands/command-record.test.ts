import { DEFAULT_LIMITS, encodeUpdate, type Value } from "@stanzapack/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seal } from "../store/records.js";
import {
  decodeCommand,
  decodeSentTimes,
  encodeCommand,
  encodeSentTimes,
  type CommandRecord,
} from "./command-record.js";
import { restoreCommands } from "./restored-commands.js";

const rowOf = (value: Value): Uint8Array => encodeUpdate(value, DEFAULT_LIMITS);
const record = (fields: Partial<CommandRecord> = {}): CommandRecord => ({
  ...{ id: Uint8Array.of(1, 2, 3), node: "alice@x/fleet", method: "take", args: rowOf("a") },
  ...{
    expected: rowOf({ left: 9 }),
    queuedAt: 1_800_000_000_000,
    expiresAt: 1_800_000_600_000,
    timeoutMs: 30_000,
  },
  changes: [
    ["a", 9],
    ["b", undefined],
    ["c", { deep: [Uint8Array.of(7), null] }],
  ],
  ...fields,
});

describe("a stored command", () => {
  it("is read as it was written", () => {
    for (const fields of [{}, { expected: undefined, changes: [] }, { expected: rowOf(null) }]) {
      const written = record(fields);
      expect(decodeCommand(encodeCommand(written))).toEqual(written);
    }
  });

  it("has the largest values of each part, and no larger changes", () => {
    const large = rowOf(new Uint8Array(DEFAULT_LIMITS.maxUpdateBytes - 3));
    const changes = [["k", "x".repeat(49_000)]] as const;
    const written = record({ args: large, expected: large, changes });
    expect(decodeCommand(encodeCommand(written))).toEqual(written);
    expect(() => encodeCommand(record({ changes: [...changes, ...changes] }))).toThrow(
      "the changes of a command take over 49152 bytes",
    );
  });

  it("with one changed bit, or cut short, is damaged", () => {
    const bytes = encodeCommand(record());
    for (let at = 0; at < bytes.length; at++) {
      const broken = bytes.slice();
      broken[at] = (broken[at] as number) ^ (1 << (at % 8));
      expect(decodeCommand(broken)).toBeUndefined();
      expect(decodeCommand(bytes.subarray(0, at))).toBeUndefined();
    }
  });

  it("of another version is refused, so that nobody removes it", () => {
    const bytes = encodeCommand(record());
    bytes[4] = 2;
    expect(() => decodeCommand(seal(bytes))).toThrow("commands of version 2");
  });

  it("of any bytes with the right checksum is read, or damaged", () => {
    const of = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(fc.jsonValue(), { maxLength: 10 }).map((fields) => rowOf(fields as Value)),
      fc
        .tuple(fc.nat(8), fc.jsonValue())
        .map(([at, value]) =>
          rowOf(
            [Uint8Array.of(1), "n", "m", rowOf(1), null, Uint8Array.of(0x90), 1, 2, 3].with(
              at,
              value as never,
            ),
          ),
        ),
    );
    fc.assert(
      fc.property(of, (packed) => {
        const read = decodeCommand(seal(Uint8Array.of(0, 0, 0, 0, 1, ...packed)));
        if (read !== undefined) expect(decodeCommand(encodeCommand(read))).toEqual(read);
      }),
      { numRuns: 500 },
    );
  });

  it("and what was sent are the same after a restart; damaged ones are listed and left out", () => {
    const [one, two] = [record(), record({ node: "bob@x/other" })];
    const entries = [
      { sequence: 9, bytes: encodeCommand(two) },
      { sequence: 3, bytes: encodeCommand(one) },
      { sequence: 7, bytes: Uint8Array.of(1, 2, 3) },
      { sequence: 4, bytes: encodeCommand(two) },
    ];
    const sent = new Map([
      [4, 1_800_000_000_123],
      [8, 5],
    ]);
    expect(decodeSentTimes(encodeSentTimes(sent))).toEqual(sent);
    const restored = restoreCommands({ entries, state: encodeSentTimes(sent) });
    expect(restored.commands.map(({ sequence, node, sentAt }) => [sequence, node, sentAt])).toEqual([
      [3, one.node, undefined],
      [4, two.node, 1_800_000_000_123],
      [9, two.node, undefined],
    ]);
    expect([...restored.sent.keys(), restored.last]).toEqual([4, 9]);
    expect(restored.damaged).toMatchObject([{ sequence: 7, error: { code: "store-failed" } }]);
    // Without a record of what was sent, the first of each node may have been.
    const doubtful = restoreCommands({ entries, state: Uint8Array.of(1) });
    expect(doubtful.commands.map(({ sentAt }) => sentAt)).toEqual([0, 0, undefined]);
    expect(restoreCommands({ entries: [], state: undefined })).toMatchObject({ commands: [], last: 0 });
  });
});
