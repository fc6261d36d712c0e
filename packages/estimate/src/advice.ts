import type { EstimateRow } from "./estimator.js";
import type { Form } from "./forms.js";

/** TCP/IP and TLS around whatever one stanza holds, in bytes. */
const PACKET_BYTES = 74;
/** Less than this saved is not worth a change. */
const WORTH = 1.1;

const JSON_FORMS: readonly Form[] = ["json-body", "json-batch"];

/** One cut on one hop. */
interface Cell {
  readonly cut: string;
  readonly alone: boolean;
  readonly ours: EstimateRow;
  readonly json: EstimateRow;
}

/** What to choose, and when to stay with JSON, a line each. */
export function adviseOn(rows: readonly EstimateRow[]): string[] {
  const first = rows[0];
  if (first === undefined) return [];
  const cells = groupBy(rows, formatHop).map(([hop, own]) => [hop, createCells(own)] as const);
  return [
    ...cells.map(([hop, own]) => adviseOnHop(hop, own)),
    ...advisePacket(cells.flatMap(([, own]) => own)),
    adviseSmallest(rows),
    ...(first.profile === "default"
      ? [
          "Where there is text, `--profile compact` may save more, for several times the processor time: measure it too.",
        ]
      : []),
  ];
}

export function formatHop({
  transport,
  compression,
}: Pick<EstimateRow, "transport" | "compression">): string {
  return `${transport}, ${compression === "none" ? "no compression" : compression}`;
}

export function formatCut({ batch, windowMs }: Pick<EstimateRow, "batch" | "windowMs">): string {
  if (batch !== null) return `${batch} a stanza`;
  return `window ${windowMs === 0 ? "0" : (windowMs ?? 0) % 1_000 === 0 ? `${(windowMs ?? 0) / 1_000} s` : `${windowMs} ms`}`;
}

function adviseOnHop(hop: string, cells: readonly Cell[]): string {
  return `${hop}: ${cells.map((cell) => `${cell.cut}: ${adviseOnCell(cell)}`).join("; ")}.`;
}

function adviseOnCell({ ours, json }: Cell): string {
  const bytes = `${json.form} ${formatBytes(json.bytesPerUpdate)} bytes, Stanzapack ${formatBytes(ours.bytesPerUpdate)}`;
  if (json.bytes <= ours.bytes) return `stay with JSON (${bytes})`;
  const times = json.bytes / ours.bytes;
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

/** Per update: as many digits as say something. */
export function formatBytes(bytes: number): string {
  return bytes < 10 ? bytes.toFixed(2) : bytes < 100 ? bytes.toFixed(1) : bytes.toFixed(0);
}
