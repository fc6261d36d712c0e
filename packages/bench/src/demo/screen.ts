import Table from "cli-table3";
import { createLogUpdate } from "log-update";
import { FORMS } from "../rivals/forms.js";
import { comparableBytes } from "./comparison.js";
import { formatBytes, formatDuration } from "./format.js";
import type { Row } from "./measurement.js";
import type { Readings } from "./readings.js";
import { DEMO_SERVICES } from "./services.js";

/** Time between two drawings of a terminal's table, in ms. */
const REDRAW_MS = 500;
/** Time between two groups of plain lines, in ms. */
const LINES_MS = 5_000;
/** Width of the table without the newest value, in columns. */
const OTHER_COLUMNS = 68;
/** Most columns of the newest value. More of a value tells a reader nothing more. */
const MAX_NEWEST_COLUMNS = 60;

const NO_RULERS = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "" },
};

export interface Snapshot {
  readonly elapsedMs: number;
  readonly rows: readonly Row[];
  readonly readings: Readings;
  readonly dashboardUrl: string;
}

/** The output for a person during the run. */
export interface Screen {
  /** Shows what the demo does before and after the measurement. */
  progress(text: string): void;
  /** Shows snapshots from now on. */
  start(read: () => Snapshot): void;
  /** Shows nothing more. Idempotent. */
  done(): void;
}

/** A table that is redrawn in place on a terminal. */
export function createTableScreen(stream: NodeJS.WriteStream): Screen {
  const update = createLogUpdate(stream);
  let timer: NodeJS.Timeout | undefined;
  return {
    progress: (text) => update(text),
    start(read) {
      const draw = (): void => update(renderTable(read(), stream.columns));
      draw();
      timer = setInterval(draw, REDRAW_MS);
    },
    done() {
      clearInterval(timer);
      update.clear();
      update.done();
    },
  };
}

/** Plain lines, for a file or a pipe. */
export function createLineScreen(write: (line: string) => void): Screen {
  let timer: NodeJS.Timeout | undefined;
  return {
    progress: write,
    start(read) {
      write(LINES_HEAD);
      timer = setInterval(() => renderLines(read()).forEach(write), LINES_MS);
    },
    done: () => clearInterval(timer),
  };
}

/** The table without lines between cells, so that it fits into 80 columns. */
function renderTable({ elapsedMs, rows, readings, dashboardUrl }: Snapshot, columns: number): string {
  const table = new Table({
    head: ["service", "newest value", "window", "per s", "age ms", ...FORMS],
    colAligns: ["left", "left", "right", "right", "right", ...FORMS.map(() => "right" as const)],
    chars: { ...NO_RULERS, middle: " " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  const newestColumns = Math.max(12, Math.min(MAX_NEWEST_COLUMNS, columns - OTHER_COLUMNS));
  for (const { name, windowMs } of DEMO_SERVICES) {
    const reading = readings.get(name);
    table.push([
      name,
      shorten(reading?.newest ?? "", newestColumns).padEnd(newestColumns),
      formatDuration(windowMs),
      reading?.perSecond.toFixed(1) ?? "",
      reading?.ageMs.toFixed(0) ?? "",
      ...perUpdate(rows, name),
    ]);
  }
  table.push(["all", "", "", "", "", ...perUpdate(rows, "*")]);
  const seconds = Math.floor(elapsedMs / 1_000);
  return [
    `${table.toString()}\n`,
    `bytes per update after ${seconds} s, each form on its own connection; Ctrl-C stops`,
    `dashboard: ${dashboardUrl}`,
  ].join("\n");
}

/** Heads of the columns of plain lines, which are at most 80 columns wide. */
const LINES_HEAD = formatLine(["time", "service", "per s", "age ms", ...FORMS, "newest value"]);

function renderLines({ elapsedMs, rows, readings }: Snapshot): string[] {
  const seconds = `${Math.floor(elapsedMs / 1_000)} s`;
  return DEMO_SERVICES.map(({ name }) => {
    const reading = readings.get(name);
    const rate = (reading?.perSecond ?? 0).toFixed(1);
    const age = (reading?.ageMs ?? 0).toFixed(0);
    return formatLine([seconds, name, rate, age, ...perUpdate(rows, name), reading?.newest ?? ""]);
  });
}

function formatLine(cells: readonly string[]): string {
  const [time = "", service = "", rate = "", age = "", ours = "", body = "", batch = "", newest = ""] = cells;
  return [
    ...[time.padStart(6), service.padEnd(12), rate.padStart(5), age.padStart(6)],
    ...[ours.padStart(10), body.padStart(9), batch.padStart(10), shorten(newest, 14)],
  ]
    .join(" ")
    .trimEnd();
}

function perUpdate(rows: readonly Row[], service: string): string[] {
  return FORMS.map((form) => {
    const bytes = comparableBytes(rows.find((row) => row.service === service && row.form === form));
    return bytes === undefined ? "" : formatBytes(bytes);
  });
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
