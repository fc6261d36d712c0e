import { MAX_SIBLINGS, type Sibling } from "@stanzapack/wire";
import type { SeenNode } from "./node-store.js";

/** Most characters of all domains in one HELLO, so that it fits into a block. */
const MAX_CHARS = 2_000;
/** A node may have this much more than its share of the links before it names another one. */
const MOST_OVER_SHARE = 1.1;
/** So many links more than its share are no reason to name another one, however few links there are. */
const SPARE_LINKS = 10;

/** The part of a node that decides who takes a new link. */
export type Loaded = Pick<SeenNode, "domain" | "weight" | "region" | "links">;

/**
 * Returns the other nodes, as HELLO names them. A node of another region has the weight 0: clients choose it only if
 * there is no other. The nodes with the largest weights come first, and those that do not fit are left out.
 */
export function siblingsOf(own: Loaded, nodes: readonly Loaded[]): Sibling[] {
  const others = nodes
    .filter(({ domain }) => domain !== own.domain)
    .map(({ domain, weight, region }) => ({ domain, weight: region === own.region ? weight : 0 }))
    .sort((a, b) => b.weight - a.weight || (a.domain < b.domain ? -1 : 1))
    .slice(0, MAX_SIBLINGS);
  let chars = 0;
  return others.filter(({ domain }) => (chars += domain.length) <= MAX_CHARS);
}

/**
 * Returns the node that should take a new link instead of this one. Undefined: this one takes it. Links are shared among
 * the nodes of one region by their weights. `isFull`: this node takes none, if there is another one. `chance`: from 0 up
 * to 1.
 */
export function betterNode(
  own: Loaded,
  nodes: readonly Loaded[],
  isFull: boolean,
  chance: number,
): string | undefined {
  const others = nodes.filter(({ domain }) => domain !== own.domain);
  const near = others.filter(({ weight, region }) => weight > 0 && region === own.region);
  // A full node rather names a far one than none.
  const candidates = near.length === 0 && isFull ? others : near;
  const namesOther = isFull || (own.weight === 0 && near.length > 0);
  const weights = sum(candidates, ({ weight }) => weight) + own.weight;
  const links = sum(candidates, (node) => node.links) + own.links;
  const shareOf = ({ weight }: Loaded): number => (weights === 0 ? 0 : (links * weight) / weights);
  if (!namesOther && own.links < shareOf(own) * MOST_OVER_SHARE + SPARE_LINKS) return undefined;
  // One below its share: by chance, because many clients come before the nodes hear of each other again.
  const room = candidates.map((node) => Math.max(0, shareOf(node) - node.links) + (namesOther ? 1 : 0));
  let point = chance * sum(room, (each) => each);
  return candidates.find((_, i) => (point -= room[i] as number) < 0)?.domain;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
