import { Estimator } from "@stanzapack/estimate";
import { expect, test } from "vitest";
import { createRows, type RowSetId } from "../workloads/rows.js";
import { createBatches } from "./batches.js";
import { measureFileBound } from "./file-bound.js";
import { measureOurs, measureRival } from "./sizes.js";

/** From the prototype's table: the rival's bytes per update, plain and zlib. */
test.each<[RowSetId, number, string, string]>([
  ["int", 1, "113.00", "9.70"],
  ["int", 10, "20.30", "2.77"],
  ["int", 100, "11.03", "1.54"],
])("the rival of %s in batches of %i is as it was recorded", async (id, size, plain, zlib) => {
  const rows = createRows(id);
  const { rivalBytes, rivalZlibBytes } = await measureRival(createBatches(rows, size));
  expect((rivalBytes / rows.length).toFixed(2)).toBe(plain);
  expect((rivalZlibBytes / rows.length).toFixed(2)).toBe(zlib);
});

test("ours is read back, key first, and beats its rival", async () => {
  for (const id of ["int", "obj", "usemp"] as const) {
    const batches = createBatches(createRows(id), 10);
    const ours = await measureOurs(batches);
    const { rivalBytes } = await measureRival(batches);
    expect(ours.keyframes).toBe(1);
    expect(ours.frameBytes).toBeLessThan(rivalBytes);
    expect(ours.payloadBytes).toBeLessThan(ours.frameBytes);
    expect(ours.frameZlibBytes).toBeLessThan(ours.frameBytes);
  }
});

test("brotli over all of int, column by column, takes what it did for the prototype", async () => {
  const rows = createRows("int");
  const { brotliBytes } = await measureFileBound(rows);
  expect((brotliBytes / rows.length).toFixed(2)).toBe("0.72");
});

test("stanzapack estimate comes to the same figures, and the server's requests for acknowledgement", async () => {
  const rows = createRows("obj");
  const estimator = new Estimator({ workload: "obj", cuts: [{ batch: 10 }] });
  // The times of `createBatches`: ten rows spread evenly over 100 ms.
  for (const [index, row] of rows.entries()) await estimator.add(row, (index - 9) * 10);
  const estimated = await estimator.finish();
  const bytes = (form: string, compression: string): number =>
    estimated.find((row) => row.transport === "tcp" && row.form === form && row.compression === compression)
      ?.bytes ?? 0;
  const batches = createBatches(rows, 10);
  const requestBytes = "<r xmlns='urn:xmpp:sm:3'/>".length;
  const ours = await measureOurs(batches);
  const rival = await measureRival(batches);
  expect(bytes("stanzapack", "none")).toBe(ours.frameBytes + batches.length * requestBytes);
  expect(bytes("json-batch", "none")).toBe(rival.rivalBytes + batches.length * requestBytes);
  // In a compressed stream, a request for acknowledgement is a flush of its own.
  for (const more of [
    bytes("stanzapack", "zlib") - ours.frameZlibBytes,
    bytes("json-batch", "zlib") - rival.rivalZlibBytes,
  ]) {
    expect(more / batches.length).toBeGreaterThan(6);
    expect(more / batches.length).toBeLessThan(12);
  }
});
