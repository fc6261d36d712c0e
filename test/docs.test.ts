import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

/** Folders that do not belong to the repository, or are generated. */
const LEFT_OUT = /^(\.|node_modules$|dist$|tmp$|coverage$)/;

/** The Markdown pages of a folder and of the folders below it, by their paths from the root. */
function pagesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (LEFT_OUT.test(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return pagesIn(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/** Anchors of the headings, as GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const headings = [...withoutCode(page).matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) => text);
  return new Set(
    headings.map((text) =>
      text
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .trim()
        .replaceAll(/[^\p{Letter}\p{Number}\p{Mark}_ -]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function withoutCode(page: string): string {
  return read(page).replaceAll(/^ *```[^]*?^ *```/gm, "");
}

describe("links of Markdown pages", () => {
  it.each(pagesIn("."))("%s: lead to files and headings that there are", (page) => {
    const text = withoutCode(page).replaceAll(/`[^`\n]*`(?!\])/g, "");
    const links = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)].map(
      ([, link, source]) => link ?? source ?? "",
    );
    const broken = links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : normalize(join(dirname(page), path));
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && target.endsWith(".md") && !anchorsOf(target).has(anchor);
    });
    expect(broken).toEqual([]);
  });
});

describe("Markdown pages", () => {
  const LONGEST = 120;
  it.each(pagesIn("."))(`%s: lines end at ${LONGEST} columns, but for tables and code`, (page) => {
    const long = withoutCode(page)
      .split("\n")
      .filter((line) => !/^ *\|/.test(line) && [...line].length > LONGEST);
    expect(long).toEqual([]);
  });
});

describe("the chart of README.md", () => {
  interface ChartRows {
    readRows(text: string): readonly unknown[];
    selectRows(rows: readonly unknown[]): readonly unknown[];
    formatRows(rows: readonly unknown[]): string;
  }
  const load = async (): Promise<ChartRows> =>
    (await import(new URL("../scripts/docs-charts/rows.mjs", import.meta.url).href)) as ChartRows;

  it("shows rows of `bench wire`, as they are or out of its tables", async () => {
    const { formatRows, readRows, selectRows } = await load();
    const kept = read("docs/charts/rows.json");
    expect(formatRows(selectRows(readRows(kept)))).toBe(kept);
    const report = [
      "prosody, tcp, zlib: bytes per update, both ways, TLS records",
      "│ workload │ window │  stanzapack │    json-body │",
      "│ int      │    1 s │ 23.8 (40.7) │ * 9.2 (25.5) │",
    ].join("\n");
    const cell = {
      server: "prosody",
      transport: "tcp",
      compression: "zlib",
      workload: "int",
      windowMs: 1_000,
    };
    expect(readRows(report)).toEqual([
      { ...cell, form: "stanzapack", bytesPerUpdate: 23.8 },
      { ...cell, form: "json-body", bytesPerUpdate: 9.2 },
    ]);
    const counted = {
      ...cell,
      form: "json-body",
      updates: 10,
      tlsDown: 250,
      tlsUp: 60,
      quoteEscapeBytes: 10,
    };
    expect(readRows(JSON.stringify([counted]))).toEqual([{ ...cell, form: "json-body", bytesPerUpdate: 30 }]);
    expect(() => selectRows(readRows(report))).toThrow(
      "the chart needs one row of prosody, tcp, none, int, 100 ms",
    );
  });

  it("has a title, its units and every figure in both themes", async () => {
    const { readRows } = await load();
    const rows = readRows(read("docs/charts/rows.json")) as readonly { readonly bytesPerUpdate: number }[];
    for (const theme of ["light", "dark"]) {
      const svg = read(`docs/charts/bytes-per-update-${theme}.svg`);
      expect(svg).toContain(">bytes per update</text>");
      for (const { bytesPerUpdate } of rows) expect(svg).toContain(`>${String(bytesPerUpdate)}</text>`);
    }
  });
});
