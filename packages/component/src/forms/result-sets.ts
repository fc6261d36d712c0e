import { NS, StanzaError, xml, type Element } from "@stanzapack/xmpp";
import { MAX_ANSWER_BYTES } from "./errors.js";
import { badRequest } from "./submissions.js";

/** Most items in one answer. There are fewer if fewer fit. */
export const MAX_PAGE_ITEMS = 1_000;
/** Room in an answer for what surrounds its items, in bytes: a node, two UIDs. */
const HEAD_BYTES = 16_384;
/** Longest UID that is looked for, in UTF-16 code units. */
const MAX_UID_CHARS = 8_192;

/** The requested page (XEP-0059). `before`: empty for the last page. */
interface PageRequest {
  readonly max: number;
  readonly after: string | undefined;
  readonly before: string | undefined;
  readonly index: number | undefined;
}

/** A list in the order of its UIDs. So the next page can begin after an item that is gone meanwhile. */
export interface ResultSet<T> {
  /** Number of positions. They begin at 0. */
  readonly length: number;
  /** Returns the item at a position. Undefined: nothing there that this asker may see. */
  at(position: number): T | undefined;
  uidOf(item: T): string;
  /**
   * Returns the first position whose UID is not smaller than `uid`, or, with `isAfter`, is larger. Undefined: no UID of
   * this list looks like `uid`.
   */
  seek(uid: string, isAfter: boolean): number | undefined;
  /** Number of items that the asker may see. A list that is not exact may give a smaller number. */
  readonly count: number;
  /** Whether positions count only items that the asker may see, and `count` is right. */
  readonly isExact: boolean;
}

/** Returns a list of items that are in the order of their UIDs, by code units. */
export function resultSetOf<T>(items: readonly T[], uidOf: (item: T) => string): ResultSet<T> {
  return {
    length: items.length,
    count: items.length,
    isExact: true,
    at: (position) => items[position],
    uidOf,
    seek: (uid, isAfter) =>
      searchFirst(items.length, (position) => {
        const own = uidOf(items[position] as T);
        return isAfter ? own > uid : own >= uid;
      }),
  };
}

/**
 * Returns the first of `length` positions at which `holds` is true. It must stay true from there on. If there is none,
 * returns `length`.
 */
export function searchFirst(length: number, holds: (position: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A page of a list: the elements of its items. `<set/>` follows if the list is longer, or a page was asked for. */
export interface Page {
  readonly elements: readonly Element[];
  readonly set: readonly Element[];
}

/**
 * Returns the page that `request` asks for by its `<set/>` child, or the first page. `format` makes an item's element.
 * Throws `bad-request` for a faulty request, and `item-not-found` for a UID that no item can have (XEP-0059 §2.4).
 */
export function takePage<T>(list: ResultSet<T>, request: Element, format: (item: T) => Element): Page {
  const asked = readPageRequest(request);
  const isBackward = asked?.before !== undefined;
  const start = isBackward ? seekEnd(list, asked.before) : startOf(list, asked);
  const max = asked?.max ?? MAX_PAGE_ITEMS;
  const taken: { readonly item: T; readonly element: Element; readonly position: number }[] = [];
  let bytes = HEAD_BYTES;
  const step = isBackward ? -1 : 1;
  let position = isBackward ? start - 1 : start;
  for (; position >= 0 && position < list.length && taken.length < max; position += step) {
    const item = list.at(position);
    if (item === undefined) continue;
    const element = format(item);
    bytes += Buffer.byteLength(element.toString());
    if (bytes > MAX_ANSWER_BYTES && taken.length > 0) break;
    taken.push({ item, element, position });
  }
  if (isBackward) taken.reverse();
  const elements = taken.map(({ element }) => element);
  const isWhole = asked === undefined && position >= list.length;
  // §2.2: the answer for an empty list has no `<set/>`.
  if (isWhole || (list.count === 0 && list.isExact)) return { elements, set: [] };
  return { elements, set: [formatSet(list, taken, asked?.index)] };
}

function startOf<T>(list: ResultSet<T>, asked: PageRequest | undefined): number {
  if (asked?.after !== undefined) return found(list.seek(asked.after, true));
  return asked?.index ?? 0;
}

function seekEnd<T>(list: ResultSet<T>, before: string): number {
  return before === "" ? list.length : found(list.seek(before, false));
}

function found(position: number | undefined): number {
  if (position === undefined) throw new StanzaError("item-not-found", "cancel", "no item has this UID");
  return position;
}

function formatSet<T>(
  list: ResultSet<T>,
  taken: readonly { readonly item: T; readonly position: number }[],
  index: number | undefined,
): Element {
  const exact = String(list.isExact);
  const [first, last] = [taken[0], taken.at(-1)];
  const ends =
    first === undefined || last === undefined
      ? []
      : [
          xml(
            "first",
            // §2.6: the index that was asked for, though it may be approximate.
            { index: String(index ?? Math.min(first.position, list.count)), "exact-index": exact },
            list.uidOf(first.item),
          ),
          xml("last", {}, list.uidOf(last.item)),
        ];
  return xml("set", NS.RSM, ...ends, xml("count", { exact }, String(list.count)));
}

function readPageRequest(request: Element): PageRequest | undefined {
  const [set, second] = request.getChildren("set", NS.RSM);
  if (set === undefined) return undefined;
  if (second !== undefined) throw badRequest("there are two `set`");
  const text = (name: string): string | undefined => {
    const [element, another] = set.getChildren(name);
    if (another !== undefined) throw badRequest(`\`set\` has two \`${name}\``);
    const value = element?.text();
    if (value !== undefined && value.length > MAX_UID_CHARS) throw badRequest(`\`${name}\` is too long`);
    return value;
  };
  const number = (name: string): number | undefined => {
    const value = text(name)?.trim();
    if (value === undefined) return undefined;
    // XEP-0059 bounds neither number. Numbers of 15 digits are exact.
    if (!/^\d{1,15}$/.test(value)) throw badRequest(`\`${name}\` is not a number from 0 to 999999999999999`);
    return Number(value);
  };
  const [max, after, before, index] = [number("max"), text("after"), text("before"), number("index")];
  if ([after, before, index].filter((it) => it !== undefined).length > 1)
    throw badRequest("`set` has more than one of `after`, `before` and `index`");
  return {
    max: Math.min(max ?? MAX_PAGE_ITEMS, MAX_PAGE_ITEMS),
    after: after === "" ? undefined : after,
    before,
    index,
  };
}
