/** Bytes of one form of one service, counted since the beginning. `*`: the form's whole connection. */
export interface ComparisonRow {
  readonly service: string;
  readonly form: string;
  readonly updates: number;
  readonly bytesDown: number;
  readonly bytesUp: number;
  /** The part of `bytesDown` that the server adds by writing `"` as `&quot;`. It is left out. */
  readonly quoteEscapeBytes: number;
}

/** What the page's server answers for `/comparison.json`. */
export interface Comparison {
  readonly rows: readonly ComparisonRow[];
}

/** Forms in the order of the table and of the chart, ours first. */
export const FORMS = ["stanzapack", "json-body", "json-batch"] as const;
export const WHOLE = "*";

/** Bytes of both directions, without those that the server adds for quotes. */
function bytesOf({ bytesDown, bytesUp, quoteEscapeBytes }: ComparisonRow): number {
  return bytesDown + bytesUp - quoteEscapeBytes;
}

/** One line of the table: bytes per update of each form. Null: no update yet. */
export interface ComparedService {
  readonly service: string;
  readonly updates: number;
  readonly bytesPerUpdate: readonly (number | null)[];
}

export function compareServices(rows: readonly ComparisonRow[]): ComparedService[] {
  const services = [...new Set(rows.map(({ service }) => service))];
  return services.map((service) => {
    const find = (form: string): ComparisonRow | undefined =>
      rows.find((row) => row.service === service && row.form === form);
    return {
      service,
      updates: find(FORMS[0])?.updates ?? 0,
      bytesPerUpdate: FORMS.map((form) => {
        const row = find(form);
        return row === undefined || row.updates === 0 ? null : bytesOf(row) / row.updates;
      }),
    };
  });
}

/** Turns the bytes of the forms so far into bytes a second since the last call. */
export class ComparisonRates {
  private before: { readonly at: number; readonly bytes: readonly number[] } | undefined;

  /** `at`: ms. Undefined at the first call, and where the counts began anew. */
  rates(rows: readonly ComparisonRow[], at: number): readonly number[] | undefined {
    const bytes = FORMS.map((form) => {
      const whole = rows.find((row) => row.service === WHOLE && row.form === form);
      return whole === undefined ? 0 : bytesOf(whole);
    });
    const { before } = this;
    this.before = { at, bytes };
    if (before === undefined || at <= before.at) return undefined;
    const rates = bytes.map((now, i) => ((now - (before.bytes[i] as number)) / (at - before.at)) * 1_000);
    return rates.some((rate) => rate < 0) ? undefined : rates;
  }
}
