/** From item `at` of the old list on, `inserted` new items replace `removed` old ones. */
export interface Hunk {
  readonly at: number;
  readonly removed: number;
  readonly inserted: number;
}

/** Whether item `old` of the old list is item `next` of the new list. */
export type Matches = (old: number, next: number) => boolean;

/**
 * Returns how a list of `size` items became one of `nextSize`, by the fewest insertions and removals (E. Myers, "An
 * O(ND) difference algorithm"). Returns undefined if a search finds no way with at most `most` of them.
 */
export function align(size: number, nextSize: number, matches: Matches, most: number): Hunk[] | undefined {
  const shorter = Math.min(size, nextSize);
  let start = 0;
  while (start < shorter && matches(start, start)) start++;
  let end = 0;
  while (end < shorter - start && matches(size - 1 - end, nextSize - 1 - end)) end++;
  const removed = size - start - end;
  const inserted = nextSize - start - end;
  if (removed === 0 && inserted === 0) return [];
  if (removed === 0 || inserted === 0) return [{ at: start, removed, inserted }];
  if (Math.abs(removed - inserted) > most) return undefined;
  return search(start, removed, inserted, matches, most);
}

/**
 * Searches the parts from `start` on. Each round allows one edit more, and finds the farthest point on each diagonal.
 */
function search(
  start: number,
  size: number,
  nextSize: number,
  matches: Matches,
  most: number,
): Hunk[] | undefined {
  const middle = most + 1;
  const front = new Int32Array(2 * most + 3);
  const rounds: Int32Array[] = [];
  for (let edits = 0; edits <= most; edits++) {
    rounds.push(front.slice());
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const isDown = goesDown(front, middle, diagonal, edits);
      let x = isDown ? at(front, middle + diagonal + 1) : at(front, middle + diagonal - 1) + 1;
      let y = x - diagonal;
      while (x < size && y < nextSize && matches(start + x, start + y)) {
        x++;
        y++;
      }
      front[middle + diagonal] = x;
      if (x >= size && y >= nextSize) return trace(start, size, nextSize, rounds, middle);
    }
  }
  return undefined;
}

/** Follows the edits back from the end. Edits that touch form one hunk. */
function trace(
  start: number,
  size: number,
  nextSize: number,
  rounds: readonly Int32Array[],
  middle: number,
): Hunk[] {
  const hunks: Hunk[] = [];
  let [x, y] = [size, nextSize];
  let hunk = { x: -1, y: -1, removed: 0, inserted: 0 };
  for (let edits = rounds.length - 1; edits > 0; edits--) {
    const front = rounds[edits] as Int32Array;
    const diagonal = x - y;
    const isDown = goesDown(front, middle, diagonal, edits);
    x = at(front, middle + diagonal + (isDown ? 1 : -1));
    y = x - diagonal + (isDown ? -1 : 1);
    const [removed, inserted] = isDown ? [0, 1] : [1, 0];
    if (x + removed === hunk.x && y + inserted === hunk.y) {
      hunk = { x, y, removed: hunk.removed + removed, inserted: hunk.inserted + inserted };
    } else {
      if (hunk.x >= 0) hunks.push({ at: start + hunk.x, removed: hunk.removed, inserted: hunk.inserted });
      hunk = { x, y, removed, inserted };
    }
  }
  if (hunk.x >= 0) hunks.push({ at: start + hunk.x, removed: hunk.removed, inserted: hunk.inserted });
  return hunks.reverse();
}

/** Whether an insertion reaches farther on a diagonal than a removal. */
function goesDown(front: Int32Array, middle: number, diagonal: number, edits: number): boolean {
  if (diagonal === -edits) return true;
  return diagonal !== edits && at(front, middle + diagonal - 1) < at(front, middle + diagonal + 1);
}

function at(front: Int32Array, index: number): number {
  return front[index] as number;
}
