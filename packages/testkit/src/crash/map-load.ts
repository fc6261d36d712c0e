import { StanzapackError, type OfferedMap } from "@stanzapack/client";
import type { Random } from "../base/random.js";

/** Time between two changes, in ms: about 40 a second. */
const GAP_MS = 25;
const KEYS = 200;
/** Of 100 changes, this many remove a key, set a pair of keys, and clear the map. The others set one key. */
const SHARES = { delete: 15, pair: 20, clear: 1 };

export interface Entry {
  readonly n: number;
  readonly text: string;
}

/** Changes an offered map all the time, and has in `model` what every copy must become. */
export class MapLoad {
  readonly model = new Map<string, Entry>();
  private timer: NodeJS.Timeout | undefined;
  private count = 0;

  constructor(
    private readonly offered: OfferedMap<Entry>,
    private readonly random: Random,
    private readonly gapMs = GAP_MS,
  ) {}

  begin(): void {
    this.timer ??= setInterval(() => this.change(), this.gapMs);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Removes all keys, also those of an earlier program. */
  clear(): void {
    this.attempt(() => {
      this.offered.clear();
      this.model.clear();
    });
  }

  set(key: string, entry: Entry): void {
    this.attempt(() => {
      this.offered.set(key, entry);
      this.model.set(key, entry);
    });
  }

  private change(): void {
    const { offered, model, random } = this;
    const kind = random.below(100);
    const key = `key/${random.below(KEYS)}`;
    const entry = { n: ++this.count, text: random.below(2 ** 31).toString(36) };
    if (kind < SHARES.clear) this.clear();
    else if (kind < SHARES.delete)
      this.attempt(() => {
        offered.delete(key);
        model.delete(key);
      });
    else if (kind < SHARES.delete + SHARES.pair)
      this.attempt(() => {
        offered.batch(() => ["left", "right"].forEach((side) => offered.set(side, entry)));
        for (const side of ["left", "right"]) model.set(side, entry);
      });
    else this.set(key, entry);
  }

  /** The map refuses changes while too many wait, and ends with its client. */
  private attempt(change: () => void): void {
    try {
      change();
    } catch (error) {
      if (!(error instanceof StanzapackError && (error.code === "busy" || error.code === "stopped")))
        throw error;
    }
  }
}

/**
 * Says how a copy differs from the entries whose keys begin with `prefix`: what was expected of the first such key, and
 * what was seen. Undefined: the copy has exactly these entries.
 */
export function differenceOf(
  model: ReadonlyMap<string, Entry>,
  copy: ReadonlyMap<string, Entry>,
  prefix = "",
): string | undefined {
  const tell = (key: string): string =>
    `expected \`${key}\` ${JSON.stringify(model.get(key))}, but it is ${JSON.stringify(copy.get(key))}`;
  let size = 0;
  for (const [key, { n, text }] of model) {
    if (!key.startsWith(prefix)) continue;
    size++;
    const other = copy.get(key);
    if (other?.n !== n || other.text !== text) return tell(key);
  }
  if (copy.size === size) return undefined;
  const [more = ""] = [...copy.keys()].filter((key) => !model.has(key) || !key.startsWith(prefix));
  return tell(more);
}
