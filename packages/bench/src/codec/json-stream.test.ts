import { expect, test } from "vitest";
import { createRows } from "../workloads/rows.js";
import { JsonDeflater, JsonInflater } from "./json-stream.js";

test("JSON comes back through raw deflate, batch by batch", () => {
  const deflater = new JsonDeflater();
  const inflater = new JsonInflater();
  const rows = createRows("log1000");
  for (const batch of [rows.slice(0, 1), rows.slice(1, 3), rows]) {
    const bytes = deflater.encode(batch);
    expect(bytes.length).toBeLessThan(JSON.stringify(batch).length / 2);
    expect(inflater.decode(bytes)).toEqual(batch);
  }
});
