import { make, setText } from "./dom.js";

export interface Column {
  readonly name: string;
  /** Right-aligned. */
  readonly isNumber?: boolean;
  /** Takes a whole line on a phone. */
  readonly isLong?: boolean;
  readonly isMono?: boolean;
}

export interface TableRow {
  /** Text of the row's first cell, which no other row has. */
  readonly key: string;
  /** Texts of the other cells. */
  readonly cells: readonly string[];
}

export interface TableOptions {
  /** What the table shows, for those who do not see it. */
  readonly name: string;
  /** The first column names the row. */
  readonly columns: readonly Column[];
  /** Whether the table stays a table on a phone, in small print. Default: each row becomes a list. */
  readonly isNarrow?: boolean;
  /** Makes the first cell of each row a button. */
  readonly onPress?: (key: string) => void;
}

export interface Table {
  readonly element: HTMLElement;
  /** Shows these rows, in this order. Rows that stay keep their elements, and the focus. `note`: a line below. */
  show(rows: readonly TableRow[], note?: string): void;
  /** Marks the row of this key as the one shown elsewhere. */
  mark(key: string | undefined): void;
}

interface Shown {
  readonly row: HTMLTableRowElement;
  readonly cells: readonly HTMLTableCellElement[];
}

/** A table whose rows become small lists on a phone. Its roles are written out, since `display` takes them away. */
export function createTable({ name, columns, isNarrow, onPress }: TableOptions): Table {
  const head = columns.map((column) =>
    make("th", { scope: "col", role: "columnheader", class: classOf(column) }, column.name),
  );
  const body = make("tbody", { role: "rowgroup" });
  const note = make("p", { class: "note" });
  const element = make(
    "div",
    {},
    make(
      "table",
      { class: isNarrow === true ? "narrow" : "wide", role: "table", "aria-label": name },
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...head)),
      body,
    ),
    note,
  );
  const shown = new Map<string, Shown>();
  let marked: string | undefined;

  function create(key: string): Shown {
    const cells = columns
      .slice(1)
      .map((column) => make("td", { role: "cell", "data-label": column.name, class: classOf(column) }));
    const first = make("th", { scope: "row", role: "rowheader" });
    if (onPress === undefined) first.textContent = key;
    else {
      const button = make("button", { type: "button" }, key);
      button.addEventListener("click", () => onPress(key));
      first.append(button);
    }
    const row = make("tr", { role: "row", "data-key": key }, first, ...cells);
    if (key === marked) row.setAttribute("aria-current", "true");
    return { row, cells };
  }

  return {
    element,
    show(rows, text = "") {
      const keys = new Set(rows.map(({ key }) => key));
      for (const [key, { row }] of shown) {
        if (keys.has(key)) continue;
        row.remove();
        shown.delete(key);
      }
      rows.forEach(({ key, cells }, i) => {
        const known = shown.get(key) ?? create(key);
        shown.set(key, known);
        cells.forEach((cell, n) => known.cells[n] && setText(known.cells[n], cell));
        if (body.children[i] !== known.row) body.insertBefore(known.row, body.children[i] ?? null);
      });
      setText(note, text);
      note.hidden = text === "";
      (element.firstElementChild as HTMLElement).hidden = rows.length === 0;
    },
    mark(key) {
      if (marked !== undefined) shown.get(marked)?.row.removeAttribute("aria-current");
      marked = key;
      if (key !== undefined) shown.get(key)?.row.setAttribute("aria-current", "true");
    },
  };
}

function classOf({ isNumber, isLong, isMono }: Column): string | undefined {
  const names = [isNumber && "number", isLong && "long", isMono && "mono"].filter((name) => name);
  return names.length === 0 ? undefined : names.join(" ");
}
