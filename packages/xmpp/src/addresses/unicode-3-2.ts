/**
 * Table A.1 of RFC 3454: the code points that Unicode 3.2 had not assigned. Each item has two counts in base 36:
 * assigned code points, then unassigned ones after `-` (1 when absent). Stringprep is frozen at Unicode 3.2, and
 * JavaScript knows only the version of its runtime.
 */
const TABLE_A1 =
  "f5 i-s 2m-2 1r-h 28-g g-4 2-4 1-3 1-5 7 1 k 18 13-9 3r 1z 12-2 2-6 g-x 12-2 7 13 2-6 h n a-b r-5 " +
  "5-n 1-e 1-3 1 q-5 m-a 3y-2 f e u-3 r-1h 1e-9b 3 1h-2 i-2 5-3 p-g 3 8-2 2-2 m 7 1-3 4-2 1 7-2 2-2 " +
  "3-9 1-4 2 5-2 l-7 1-2 6-4 2-2 m 7 2 2 2-2 1 5-4 2-2 3-b 4 1-7 f-c 3 7 1 3 m 7 2 5-2 a 3 3-2 1-f " +
  "1-5 a-h 3 8-2 2-2 m 7 2-2 4-2 8-3 2-2 3-8 2-4 2 3-4 b-h 2 6-3 3 4-3 2 1 2-3 2-3 3-3 8 3-4 5-3 3 " +
  "4-9 1-f c-e 3 8 3 n a 5-4 7 3 4-7 2-9 2-4 a-i 2 8 3 n a 5-4 7 3 4-7 2-7 1 2-4 a-i 2 8 3 n g-4 6-2 " +
  "3 4-9 1-8 2-4 a-i 2 i-3 o 9 1-2 7-3 1-4 6 1 8-i 3-c 1m-4 t-11 2 1-2 2 1-2 1-6 4 7 3 1 1-2 2 d 3-2 " +
  "5 1 6-2 a-2 2-y 20 y-6 r-4 8 10 f-2 1-1c y 5 2 7-3 4-6 q-1y 12-a 15-2 1-4 2i-5 1w-5 2a-6 7 1r 1 " +
  "4-2 7 1 4-2 13 1 4-2 v 1 4-2 7 1 4-2 7 7 n v 1 4-2 7 13 j-6 s-z 2d-c hi-9 t-3 29-f d 7-b n-9 k-c d " +
  "3 2-c 2l-3 a-m f a-6 2g-8 16-11y 4c-4 2i-6 m-2 6-2 12-2 6-2 8 1 1 1 v-2 1h f e-2 6 j-2 3 9 2b-4 " +
  "1-7 5-6 8-2 r-h i-u r-l 1n-2 f-7 1d-c fz-1d 13-p b-l 4f 7o-2 2 2t-2 a-3b 4 4-2 s z 1 4-3 1 7-2 " +
  "1g-3 o e-h s-4 ls-ow q 2h-c 5y-q c-4 1s 2e-2 2v-5 14-4 2m 14-1k 19-3 10-d 17-3 25-4 1b 3b-4 2r-2 v " +
  "52u-22 g4m-2i wd-3 1j-1fd 8mc-2k 6r2-2 1n-45 7-c 5-5 q 5 1 2 2 30-x a5-g 1s-2 1i-8 19-3 g-g 4-c " +
  "n-2 a j 4-4 5 3r-2 1 5a-3 6-2 6-2 6-2 3-3 7 7-a 7-lc v 4-c r-51 12-2 12-148i 6u-a 13-3 50-f6 2d 1z " +
  "2-2 1-2 2-2 4 c 1 4 2 1t 4-2 8 7 s 4 5 1-3 7 9e-4 82-4 1e-7we wyh-g15 f2-15s 2-1eke 2-1eke 2-1eke " +
  "2-1eke 2-1eke 2-1eke 2-1eke 2-1eke 2-1eke 2-1eke 2-1eke 2 1-u 2o-1egu";

let unassigned: RegExp | undefined;

/** Matches runs of code points that Unicode 3.2 had not assigned. It has one group, so that `split` keeps the runs. */
export function unassignedRuns(): RegExp {
  return (unassigned ??= new RegExp(`([${rangesOf(TABLE_A1)}]+)`, "u"));
}

function rangesOf(table: string): string {
  let next = 0;
  return table.replace(/(\w+)(?:-(\w+))? ?/g, (_, assigned: string, count: string | undefined) => {
    const first = next + parseInt(assigned, 36);
    next = first + parseInt(count ?? "1", 36);
    return `\\u{${first.toString(16)}}-\\u{${(next - 1).toString(16)}}`;
  });
}
