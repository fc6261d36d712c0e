import type { CatchUpForm, CatchUpRow } from "./rows.js";
import type { Verdict } from "../measure/verdict.js";

const SOME_OF_JSON = 1.3;
const WHOLE_OF_JSON = 1.15;
const OF_POUCHDB = 0.1;
/** Most bytes that the key of a live change may take. Which of 1,000 keys it is takes 10 bits. */
const MOST_KEY_BYTES = 1.25;
const SOME = 0.01;
const ONE = 0.001;
const WHOLE = 1;

export function judgeCatchUp(rows: readonly CatchUpRow[]): Verdict[] {
  const bytes = (form: CatchUpForm, changed: number): number | undefined =>
    rows.find((row) => row.form === form && row.changed === changed)?.bytes ?? undefined;
  const judge = (what: string, changed: number, rival: CatchUpForm, most: number): Verdict => {
    const [ours, theirs] = [bytes("stanzapack", changed), bytes(rival, changed)];
    const share = ours === undefined || theirs === undefined ? undefined : ours / theirs;
    return {
      text: `${what}: ${share === undefined ? "not measured" : share.toFixed(share < 0.1 ? 3 : 2)}`,
      met: share === undefined ? undefined : share <= most,
    };
  };
  const [live, own] = [bytes("live", ONE), bytes("services", ONE)];
  const keyBytes = live === undefined || own === undefined ? undefined : live - own;
  return [
    judge(`1 % of the keys: at most ${SOME_OF_JSON} times JSON under brotli`, SOME, "json", SOME_OF_JSON),
    judge("1 % of the keys: at most a tenth of PouchDB's bytes", SOME, "pouchdb", OF_POUCHDB),
    judge(`the whole map: at most ${WHOLE_OF_JSON} times JSON under brotli`, WHOLE, "json", WHOLE_OF_JSON),
    {
      text:
        `one live change of 1,000 keys: at most ${MOST_KEY_BYTES} bytes more than in a service of its own: ` +
        (keyBytes === undefined ? "not measured" : keyBytes.toFixed(2)),
      met: keyBytes === undefined ? undefined : keyBytes <= MOST_KEY_BYTES,
    },
  ];
}
