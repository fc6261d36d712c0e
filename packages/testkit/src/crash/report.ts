import type { CrashRow } from "./round.js";

const COLUMNS = [
  ...["server", "transport", "round", "seed", "fault", "durability", "process", "killed", "published"],
  ...["acknowledged", "delivered", "lost", "repeated", "duplicated", "reordered", "settledMs"],
] as const satisfies readonly (keyof CrashRow)[];

/** A table with each row's findings below it, and the sums. */
export function formatRows(rows: readonly CrashRow[]): string {
  if (rows.length === 0) return "no rounds\n";
  const cells = rows.map((row) => COLUMNS.map((name) => String(row[name] ?? "-")));
  const widths = COLUMNS.map((name, i) =>
    Math.max(name.length, ...cells.map((line) => (line[i] as string).length)),
  );
  const isText = (i: number): boolean => typeof rows[0]?.[COLUMNS[i] as keyof CrashRow] === "string";
  const format = (line: readonly string[]): string =>
    line
      .map((cell, i) => (isText(i) ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join("  ")
      .trimEnd();
  const lines = rows.flatMap((row, i) => [
    format(cells[i] as string[]),
    ...row.findings.map((finding) => `  ${finding}`),
  ]);
  const rounds = new Set(rows.map(({ server, round }) => `${server} ${round}`)).size;
  const sum = (of: (row: CrashRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const sums =
    `${rows.length} rows of ${rounds} rounds: ${sum((row) => row.published)} published, ${sum((row) => row.delivered)} delivered, ` +
    `${sum((row) => row.lost)} lost and reported, ${sum((row) => row.repeated)} repeated after a crash, ` +
    `${sum((row) => row.duplicated)} duplicated, ${sum((row) => row.reordered)} reordered, ` +
    `${sum((row) => row.findings.length)} findings`;
  return `${[format([...COLUMNS]), ...lines, "", sums].join("\n")}\n`;
}
