// The rows of the chart: bytes per update of each form, each in one cell of `stanzapack bench wire`.

/**
 * @typedef {{ server: string, transport: string, compression: string, workload: string, windowMs: number, form: string,
 *   bytesPerUpdate: number }} Row bytes of both directions, in TLS records, without the server's escapes of quotes
 */

export const WORKLOADS = ["int", "obj", "seattle"];
export const FORMS = ["json-body", "json-batch", "stanzapack"];
export const COMPRESSIONS = ["none", "zlib"];
export const WINDOWS_MS = [100, 1_000];

/** Prosody over TCP. Of the two servers, JSON is smaller in more cells on Prosody. */
const isShown = ({ server, transport, compression, workload, windowMs, form }) =>
  server === "prosody" &&
  transport === "tcp" &&
  COMPRESSIONS.includes(compression) &&
  WORKLOADS.includes(workload) &&
  WINDOWS_MS.includes(windowMs) &&
  FORMS.includes(form);

/**
 * Reads rows of `bench wire --json`, rows that `formatRows` wrote, or the report of a run whose rows were not kept. The
 * committed rows are from such a report, packages/bench/WIRE.md.
 *
 * @param {string} text
 * @returns {Row[]}
 */
export function readRows(text) {
  return text.trimStart().startsWith("[") ? JSON.parse(text).map(createRow) : readReport(text);
}

/** Counts as packages/bench/src/wire/report.ts does. */
function createRow(row) {
  const { server, transport, compression, workload, windowMs, form } = row;
  const bytesPerUpdate =
    row.bytesPerUpdate ?? (row.tlsDown + row.tlsUp - (row.quoteEscapeBytes ?? 0)) / row.updates;
  return { server, transport, compression, workload, windowMs, form, bytesPerUpdate };
}

const HOP = /^(\w+), (\w+), (no compression|\w+): bytes per update, both ways, TLS records$/;

/** Reads the tables of a report: a line that names the hop, a head with the forms, a line for each cell. */
function readReport(text) {
  const rows = [];
  let hop;
  let forms = [];
  for (const line of text.split("\n")) {
    const [, server, transport, compression] = HOP.exec(line) ?? [];
    if (server !== undefined)
      hop = { server, transport, compression: compression === "no compression" ? "none" : compression };
    if (!line.startsWith("│")) continue;
    const [workload, window, ...cells] = line
      .split("│")
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (workload === "workload") forms = cells;
    else
      for (const [index, cell] of cells.entries()) {
        // `* 74.3 (230)`: the star means smaller than ours, then bytes in TLS records, then bytes in IP packets.
        const [, bytes] = /^(?:\* )?([\d.]+)(?: \([\d.]+\))?$/.exec(cell) ?? [];
        if (bytes === undefined) continue;
        const windowMs = parseFloat(window) * (window.endsWith(" s") ? 1_000 : 1);
        rows.push({ ...hop, workload, windowMs, form: forms[index], bytesPerUpdate: Number(bytes) });
      }
  }
  return rows;
}

/**
 * Selects the rows that the chart shows, in its order.
 *
 * @param {readonly Row[]} rows
 * @returns {Row[]}
 * @throws if a row is missing, or exists twice
 */
export function selectRows(rows) {
  const shown = rows.filter(isShown);
  return COMPRESSIONS.flatMap((compression) =>
    WINDOWS_MS.flatMap((windowMs) =>
      WORKLOADS.flatMap((workload) =>
        FORMS.map((form) => {
          const found = shown.filter(
            (row) =>
              row.compression === compression &&
              row.windowMs === windowMs &&
              row.workload === workload &&
              row.form === form,
          );
          const [row] = found;
          if (found.length !== 1 || !(row.bytesPerUpdate > 0)) {
            const cell = `prosody, tcp, ${compression}, ${workload}, ${windowMs} ms, ${form}`;
            throw new Error(`the chart needs one row of ${cell}; there are ${found.length}`);
          }
          return row;
        }),
      ),
    ),
  );
}

/** @param {readonly Row[]} rows */
export function formatRows(rows) {
  return `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(",\n")}\n]\n`;
}
