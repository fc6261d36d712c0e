import type { EstimateRow } from "./estimator.js";
import type { Form } from "./forms.js";

/** Bytes of TCP/IP and TLS around one stanza, whatever it holds. */
const PACKET_BYTES = 74;
/** Least ratio of JSON's bytes to ours that is worth a change. */
const WORTH = 1.1;

const JSON_FORMS: readonly Form[] = ["json-body", "json-batch"];

/** Rows of one cut on one hop. */
interface Cell {
  readonly cut: string;
  readonly alone: boolean;
  readonly ours: EstimateRow;
  readonly json: EstimateRow;
}

/**
 * Returns a line that says whether a change is worth it, and from which cut on. Returns undefined without rows of TCP,
 * plain and compressed.
 */
export function judge(rows: readonly EstimateRow[]): string | undefined {
  const onTcp = (compression: string): Cell[] =>
    createCells(rows.filter((row) => row.transport === "tcp" && row.compression === compression));
  const compressed = onTcp("zlib");
  const pairs = onTcp("none").flatMap((plain, index) => {
    const packed = compressed[index];
    return packed === undefined ? [] : [{ plain, packed }];
  });
  const isWorth = (cell: Cell): boolean => gainOf(cell) >= WORTH;
  const everywhere = pairs.find(({ plain, packed }) => isWorth(plain) && isWorth(packed));
  const best = everywhere ?? pairs.find(({ plain }) => isWorth(plain)) ?? pairs.at(-1);
  if (best === undefined) return undefined;
  const { plain, packed } = best;
  const compare = ({ ours, json }: Cell): string =>
    `${formatBytes(ours.bytesPerUpdate)} bytes an update instead of JSON's ${formatBytes(json.bytesPerUpdate)}`;
  const figures = `${compare(plain)}, ${compare(packed)} with stream compression`;
  if (!isWorth(plain)) return `Verdict: stay with JSON. At ${plain.cut}: ${figures}.`;
  if (everywhere === undefined)
    return `Verdict: worth it without stream compression alone, from ${plain.cut} on: ${figures}.`;
  return `Verdict: worth it${best === pairs[0] ? ", also at" : " from"} ${plain.cut}${best === pairs[0] ? "" : " on"}: ${figures}.`;
}

/** Returns advice, one line each: what to choose, and when to stay with JSON. */
export function adviseOn(rows: readonly EstimateRow[]): string[] {
  const first = rows[0];
  if (first === undefined) return [];
  const cells = groupBy(rows, formatHop).map(([hop, own]) => [hop, createCells(own)] as const);
  return [
    ...cells.map(([hop, own]) => adviseOnHop(hop, own)),
    ...advisePacket(cells.flatMap(([, own]) => own)),
    adviseSmallest(rows),
  ];
}

export function formatHop({
  transport,
  compression,
}: Pick<EstimateRow, "transport" | "compression">): string {
  return `${transport}, ${compression === "none" ? "no compression" : compression}`;
}

/** Returns a cut with the time that an update waits, if that is known: `10 a stanza (1 s)`. */
export function formatCut({
  batch,
  windowMs,
  delayMs,
}: Pick<EstimateRow, "batch" | "windowMs" | "delayMs">): string {
  if (batch === null) return `window ${formatDelay(windowMs ?? 0)}`;
  return `${batch} a stanza${delayMs === null || delayMs === 0 ? "" : ` (${formatDelay(delayMs)})`}`;
}

const DELAY_UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

/** Returns a time to three digits, in the largest unit of which it is at least one. */
export function formatDelay(delayMs: number): string {
  if (delayMs === 0) return "0";
  const [unit, unitMs] = DELAY_UNITS.find(([, ms]) => delayMs >= ms) ?? ["ms", 1];
  return `${Number((delayMs / unitMs).toPrecision(3))} ${unit}`;
}

function adviseOnHop(hop: string, cells: readonly Cell[]): string {
  return `${hop}: ${cells.map((cell) => `${cell.cut}: ${adviseOnCell(cell)}`).join("; ")}.`;
}

function gainOf({ ours, json }: Pick<Cell, "ours" | "json">): number {
  return json.bytes / ours.bytes;
}

function adviseOnCell({ ours, json }: Cell): string {
  const bytes = `${json.form} ${formatBytes(json.bytesPerUpdate)} bytes, Stanzapack ${formatBytes(ours.bytesPerUpdate)}`;
  if (json.bytes <= ours.bytes) return `stay with JSON (${bytes})`;
  const times = gainOf({ ours, json });
  if (times < WORTH) return `hardly worth a change (${bytes})`;
  return `Stanzapack, ${times.toFixed(1)} times smaller than ${json.form}`;
}

function advisePacket(cells: readonly Cell[]): string[] {
  const alone = cells.filter((cell) => cell.alone);
  if (alone.length === 0) return [];
  const loses = alone.some(({ ours, json }) => json.bytes <= ours.bytes);
  return [
    `With one update a stanza, whatever its form, the packet underneath (TCP/IP, TLS) costs about ${PACKET_BYTES} bytes more` +
      `${loses ? ", so that JSON's few bytes less hardly show" : ""}: ten a stanza share one, at ${PACKET_BYTES / 10} each. ` +
      "Gather updates wherever they may wait.",
  ];
}

function adviseSmallest(rows: readonly EstimateRow[]): string {
  const best = rows.reduce((a, b) => (b.bytes < a.bytes ? b : a));
  return `Smallest of all: ${best.form}, ${formatCut(best)}, ${formatHop(best)}: ${formatBytes(best.bytesPerUpdate)} bytes an update.`;
}

function createCells(rows: readonly EstimateRow[]): Cell[] {
  return groupBy(rows, formatCut).flatMap(([cut, own]) => {
    const ours = own.find(({ form }) => form === "stanzapack");
    const [json] = own.filter(({ form }) => JSON_FORMS.includes(form)).sort((a, b) => a.bytes - b.bytes);
    if (ours === undefined || json === undefined) return [];
    return [{ cut, alone: ours.batch === 1 || ours.windowMs === 0, ours, json }];
  });
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): [key: string, items: T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups];
}

/** Returns bytes of one update: two decimals below 10, one below 100, else none. */
export function formatBytes(bytes: number): string {
  return bytes < 10 ? bytes.toFixed(2) : bytes < 100 ? bytes.toFixed(1) : bytes.toFixed(0);
}
