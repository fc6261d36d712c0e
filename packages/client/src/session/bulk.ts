import {
  isPattern,
  MAX_OPTION_BYTES,
  optionBytes,
  StanzapackError,
  toOptionFields,
  type OptionFields,
} from "@stanzapack/wire";
import type { FrameRouter } from "./frame-router.js";
import { ALIAS_BYTES, inFrames, type LinkRequests, type Outcome } from "../link/link-requests.js";
import { subscribeFields, type AskedOptions } from "../negotiation/negotiation.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";

/** Largest size of an alias with a position in a list, in bytes. */
const POSITION_BYTES = ALIAS_BYTES + 9 + 9;

/** Token of a link that has ended, and the subscriptions of the link with their aliases. */
export interface Resumable {
  readonly token: Uint8Array;
  readonly aliases: ReadonlyMap<SharedSubscription, number>;
}

export interface ManySubscribed {
  /** Reasons of refusals, by node or pattern. */
  readonly refused: ReadonlyMap<string, StanzapackError>;
  /** Numbers of the requests, one for each frame. */
  readonly requests: readonly number[];
}

/** Subscriptions that one request can ask for. */
export interface Alike {
  readonly options: AskedOptions;
  readonly subscriptions: SharedSubscription[];
  /** Credit of each subscription, in rows: the smallest credit among them. */
  credit: number;
}

/** Groups subscriptions by options and by credit. In one group the largest credit is below twice the smallest. */
export function groupAlike(subscriptions: Iterable<SharedSubscription>): Alike[] {
  const groups = new Map<string, Alike>();
  for (const subscription of subscriptions) {
    const { credit, ...options } = subscription.wanted;
    const key = JSON.stringify([Math.floor(Math.log2(credit)), subscribeFields(options)]);
    const alike = groups.get(key);
    if (alike === undefined) groups.set(key, { options, subscriptions: [subscription], credit });
    else {
      alike.subscriptions.push(subscription);
      alike.credit = Math.min(alike.credit, credit);
    }
  }
  return [...groups.values()];
}

/** Whether a frame may carry these options. */
export function fitsFrame(asked: AskedOptions): boolean {
  return optionBytes(toOptionFields(subscribeFields(asked))) <= MAX_OPTION_BYTES;
}

/** Returns options as fields of a frame. Throws `invalid-options` if a frame may not carry them. */
function optionsOf(asked: AskedOptions): OptionFields {
  if (!fitsFrame(asked))
    throw new StanzapackError(
      "invalid-options",
      `the options take over ${MAX_OPTION_BYTES} bytes: subscribe one by one, or to fewer fields`,
    );
  return toOptionFields(subscribeFields(asked));
}

/**
 * Subscribes to nodes and patterns, in as few frames as possible. The client has their subscriptions already, but no
 * grant. Rejects if the component refuses a frame as a whole.
 */
export async function subscribeMany(
  { requests }: FrameRouter,
  nodes: readonly string[],
  asked: AskedOptions,
): Promise<ManySubscribed> {
  const options = optionsOf(asked);
  const refused = new Map<string, StanzapackError>();
  const numbers: number[] = [];
  const lists = inFrames(withoutOwners(nodes), requests.room(optionBytes(options)), ({ node, text }, first) =>
    textBytes(first ? node : text),
  );
  for (const list of lists) {
    // The first node of a frame has its owner.
    const texts = list.map(({ node, text }, i) => (i === 0 ? node : text));
    const outcome = await requests
      .ask({ type: "subscribe", nodes: texts, options })
      .catch((error: unknown) => {
        // The caller does not learn which patterns stand already, so they end here.
        if (numbers.length > 0 && nodes.some(isPattern)) giveUp(requests, numbers);
        throw error;
      });
    numbers.push(outcome.request);
    for (const [place, error] of outcome.refused) refused.set((list[place] as { node: string }).node, error);
  }
  return { refused, requests: numbers };
}

function giveUp(requests: LinkRequests, patterns: readonly number[]): void {
  // If the request fails, the link is ending.
  requests.ask({ type: "change", aliases: [], patterns, options: null }).catch(() => undefined);
}

/**
 * Changes the options of many subscriptions, and of those that patterns add later. Null ends the subscriptions and the
 * patterns. Resolves to the first refusal, if there is one other than `not-subscribed`.
 */
export async function changeMany(
  router: FrameRouter,
  subscriptions: Iterable<SharedSubscription>,
  patterns: readonly number[],
  asked: AskedOptions | null,
): Promise<StanzapackError | undefined> {
  const { requests } = router;
  const options = asked === null ? null : optionsOf(asked);
  const aliases = [...subscriptions].flatMap((subscription) => router.aliasOf(subscription) ?? []);
  const room = requests.room(optionBytes(options ?? []) + patterns.length * 5);
  const lists = inFrames(aliases, room, () => ALIAS_BYTES);
  // Patterns without aliases need a frame too.
  if (lists.length === 0 && patterns.length > 0) lists.push([]);
  let refusal: StanzapackError | undefined;
  const note = ({ refused }: Outcome): void => {
    for (const error of refused.values()) if (error.code !== "not-subscribed") refusal ??= error;
  };
  for (const [i, list] of lists.entries())
    note(await requests.ask({ type: "change", aliases: list, patterns: i === 0 ? patterns : [], options }));
  return refusal;
}

/** Restores subscriptions of the last link on this one. Resolves to the refused ones. Rejects if a frame is refused. */
export async function resumeMany(
  { requests }: FrameRouter,
  { token, aliases }: Resumable,
  subscriptions: readonly SharedSubscription[],
): Promise<Map<SharedSubscription, StanzapackError>> {
  const refused = new Map<SharedSubscription, StanzapackError>();
  const lists = inFrames(subscriptions, requests.room(token.length), () => POSITION_BYTES);
  for (const [i, list] of lists.entries()) {
    for (const subscription of list) subscription.credit.again();
    const positions = list.map((subscription) => ({
      alias: aliases.get(subscription) as number,
      ...(subscription.position ?? { epoch: 0, offset: 0 }),
    }));
    const outcome = await requests.ask({ type: "resume", token, more: i < lists.length - 1, positions });
    for (const [place, error] of outcome.refused) refused.set(list[place] as SharedSubscription, error);
  }
  return refused;
}

/** Returns nodes with their texts in a frame. The text leaves the owner out if the node before has the same owner. */
function withoutOwners(nodes: readonly string[]): { readonly node: string; readonly text: string }[] {
  let owner = "";
  return nodes.map((node) => {
    const before = owner;
    owner = node.slice(0, node.lastIndexOf("/"));
    return { node, text: owner === before ? node.slice(owner.length) : node };
  });
}

const encoder = new TextEncoder();

/** Returns the largest size of a text in a frame, with its head, in bytes. */
function textBytes(text: string): number {
  return encoder.encode(text).length + 3;
}
