import { decodeMulti, encode } from "@msgpack/msgpack";
import type { Value } from "@stanzapack/wire";
import type { WireForm } from "./axes.js";

export type WireRivalForm = Exclude<WireForm, "stanzapack">;

/** A value that waits for its window. `feed`: its service's index in the workload, from 0. */
export interface Item {
  readonly feed: number;
  readonly json: string;
  readonly value: Value;
}

/**
 * Names the services whose values a stanza has: one letter, as resource of the sender or as `sid`. `b` is the
 * workload's second service. `m` means all services, each in its place.
 */
export type Lane = string;

const ALL: Lane = "m";

export function laneOf(feed: number): Lane {
  return String.fromCharCode("a".charCodeAt(0) + feed);
}

/** The lanes that a rival uses for a workload of `feeds` services. */
export function lanesOf(feeds: number, grouped: boolean): Lane[] {
  return grouped ? [ALL] : Array.from({ length: feeds }, (_, feed) => laneOf(feed));
}

/** Whether the services of one connection share their windows, and so their stanzas, as on our link. */
export function isGrouped(form: WireRivalForm, feeds: number, windowMs: number): boolean {
  return form !== "json-body" && feeds > 1 && windowMs > 0;
}

/** JSON for one message: the bare value, an array of values, or an array of the services' arrays. */
export function formatJson(form: "json-body" | "json-batch", feeds: number, items: readonly Item[]): string {
  if (form === "json-body") return items[0]?.json ?? "";
  if (feeds === 1) return `[${items.map(({ json }) => json).join(",")}]`;
  return `[${byFeed(feeds, items)
    .map((own) => `[${own.map(({ json }) => json).join(",")}]`)
    .join(",")}]`;
}

/** msgpack for one block: the values one after another, or an array of values for each of several services. */
export function formatMsgpack(feeds: number, items: readonly Item[]): Uint8Array {
  const parts =
    feeds === 1
      ? items.map(({ value }) => encode(value))
      : byFeed(feeds, items).map((own) => encode(own.map(({ value }) => value)));
  return Buffer.concat(parts);
}

function byFeed(feeds: number, items: readonly Item[]): Item[][] {
  return Array.from({ length: feeds }, (_, feed) => items.filter((item) => item.feed === feed));
}

export interface ReceivedValue {
  readonly feed: number;
  readonly value: unknown;
}

export function parseJson(form: "json-body" | "json-batch", lane: Lane, body: string): ReceivedValue[] {
  const parsed: unknown = JSON.parse(body);
  return place(lane, form === "json-body" ? [parsed] : (parsed as unknown[]));
}

export function parseMsgpack(lane: Lane, block: Uint8Array): ReceivedValue[] {
  return place(lane, [...decodeMulti(block)]);
}

function place(lane: Lane, values: readonly unknown[]): ReceivedValue[] {
  if (lane === ALL)
    return values.flatMap((own, feed) => (own as unknown[]).map((value) => ({ feed, value })));
  const feed = lane.charCodeAt(0) - "a".charCodeAt(0);
  return values.map((value) => ({ feed, value }));
}
