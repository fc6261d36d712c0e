import { isLarge, ROW_SETS } from "../workloads/rows.js";
import { groups } from "./means.js";
import type { CodecRow } from "./rows.js";
import type { Verdict } from "../measure/verdict.js";

/** Factor by which our stanzas must be smaller than JSON, as the geometric mean: plain, zlib. By batch. */
const MEAN_TARGETS: Readonly<Record<number, readonly [plain: number, zlib: number]>> = {
  1: [2.4, 1.35],
  10: [6.6, 2.12],
  50: [11.3, 2.35],
  100: [13.0, 2.44],
};

/** Longest time as a multiple of JSON with deflate, for encoding and for decoding. */
const ENCODING_TARGET = 2;
const DECODING_TARGET = 4;

/** In batches of ten and more, no workload may be larger than its rival by more than this factor. */
const MOST_OVER_RIVAL = 1.05;
/** Most bytes of one int in a stanza, under zlib. */
const MOST_INT_BYTES = 19;
/** Number of workloads that must be smaller than the size that a compressor of all values at once reaches. */
const LEAST_BELOW_BOUND = 18;

export interface MeanVerdict {
  readonly batch: number;
  readonly compression: "none" | "zlib";
  readonly ratio: number;
  readonly target: number | undefined;
  readonly met: boolean | undefined;
}

/** Compares the rows of means with their targets. */
export function judgeMeans(rows: readonly CodecRow[]): MeanVerdict[] {
  return groups(rows.filter(({ workload }) => workload === "geomean")).flatMap(([row]) => {
    if (row === undefined) return [];
    const { batch } = row;
    const targets = MEAN_TARGETS[batch];
    const all = isComplete(rows, batch);
    const judge = (compression: "none" | "zlib", ratio: number, target?: number): MeanVerdict => {
      const met = target === undefined || !all ? undefined : ratio >= target;
      return { batch, compression, ratio, target, met };
    };
    return [
      judge("none", row.rivalBytesPerUpdate / row.frameBytesPerUpdate, targets?.[0]),
      judge("zlib", row.rivalZlibBytesPerUpdate / row.frameZlibBytesPerUpdate, targets?.[1]),
    ];
  });
}

export function judgeRules(rows: readonly CodecRow[]): Verdict[] {
  return [judgeOver(rows), judgeInt(rows), judgeBound(rows), judgeTime(rows)];
}

function judgeOver(rows: readonly CodecRow[]): Verdict {
  const own = of(rows).filter(({ batch }) => batch >= 10);
  const over = own.flatMap((row) => [
    ...excess(row, "plain", row.frameBytesPerUpdate / row.rivalBytesPerUpdate),
    ...excess(row, "zlib", row.frameZlibBytesPerUpdate / row.rivalZlibBytesPerUpdate),
  ]);
  const all = [10, 50, 100].every((batch) => isComplete(rows, batch));
  return {
    text:
      "10 and more a stanza: no workload over 5 % larger than JSON" +
      (over.length === 0 ? "" : `; ${over.join(", ")}`),
    met: over.length > 0 ? false : all ? true : undefined,
  };
}

function excess(row: CodecRow, hop: string, ratio: number): string[] {
  if (ratio <= MOST_OVER_RIVAL) return [];
  return [`${row.workload} in ${row.batch}, ${hop}: ${((ratio - 1) * 100).toFixed(0)} %`];
}

function judgeInt(rows: readonly CodecRow[]): Verdict {
  const own = rows.filter(({ workload, batch }) => workload === "int" && batch === 1);
  const bytes = own.map(({ frameZlibBytesPerUpdate }) => frameZlibBytesPerUpdate.toFixed(1));
  return {
    text: `one int a stanza under zlib: at most ${MOST_INT_BYTES} bytes${list(bytes)}`,
    met: own.length === 0 ? undefined : own.every((row) => row.frameZlibBytesPerUpdate <= MOST_INT_BYTES),
  };
}

function judgeBound(rows: readonly CodecRow[]): Verdict {
  const own = of(rows).filter(({ batch }) => batch === 100);
  const larger = own.filter(
    (row) =>
      row.payloadBytesPerUpdate >= row.brotliBytesPerUpdate ||
      row.payloadBytesPerUpdate >= (row.xzBytesPerUpdate ?? Infinity),
  );
  const count = own.length - larger.length;
  const counted =
    own.length === 0
      ? ""
      : `; smaller on ${count} of ${own.length}${larger.length === 0 ? "" : `, not on ${larger.map(({ workload }) => workload).join(", ")}`}`;
  return {
    text: `100 a stanza: payload smaller than brotli 11 and xz over the whole file, on at least ${LEAST_BELOW_BOUND} of 22${counted}`,
    met: isComplete(rows, 100) ? count >= LEAST_BELOW_BOUND : undefined,
  };
}

function judgeTime(rows: readonly CodecRow[]): Verdict {
  const own = of(rows).filter(({ batch }) => batch === 10);
  const target = `10 a stanza: at most ${ENCODING_TARGET} times JSON's encoding time and ${DECODING_TARGET} times its decoding`;
  if (own.length === 0) return { text: target, met: undefined };
  const sum = (column: "encodeUsPerUpdate" | "decodeUsPerUpdate"): number => total(own, column);
  const encoding = sum("encodeUsPerUpdate") / total(own, "jsonDeflateUsPerUpdate");
  const decoding = sum("decodeUsPerUpdate") / total(own, "jsonInflateUsPerUpdate");
  const slowest = own.reduce((a, b) => (b.encodeUsPerUpdate > a.encodeUsPerUpdate ? b : a));
  const times = `${encoding.toFixed(1)} and ${decoding.toFixed(1)}`;
  const sums = `${sum("encodeUsPerUpdate").toFixed(0)} and ${sum("decodeUsPerUpdate").toFixed(0)} µs`;
  const worst = `${slowest.workload} is slowest, ${slowest.encodeUsPerUpdate.toFixed(0)} µs an update`;
  return {
    text: `${target}; ${times}, sums ${sums}; ${worst}`,
    met: isComplete(rows, 10) ? encoding <= ENCODING_TARGET && decoding <= DECODING_TARGET : undefined,
  };
}

function total(rows: readonly CodecRow[], column: TimeColumn): number {
  return rows.reduce((sum, row) => sum + row[column], 0);
}

type TimeColumn =
  "encodeUsPerUpdate" | "decodeUsPerUpdate" | "jsonDeflateUsPerUpdate" | "jsonInflateUsPerUpdate";

function of(rows: readonly CodecRow[]): CodecRow[] {
  return rows.filter((row) => row.workload !== "geomean" && !isLarge(row.workload));
}

function isComplete(rows: readonly CodecRow[], batch: number): boolean {
  return of(rows).filter((row) => row.batch === batch).length === ROW_SETS.length;
}

function list(items: readonly string[]): string {
  return items.length === 0 ? "" : `; ${items.join(", ")}`;
}
