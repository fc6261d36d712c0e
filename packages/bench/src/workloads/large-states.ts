import type { Value } from "@stanzapack/wire";
import { below, lcg, pick, type Random } from "./random.js";

// Large values that change a little with each update, and the size of each change in a delta made by hand.

const OBJECTS = 200;
const MOVED = 2;
const MOST_STEP = 5;

/** Objects of five fields; two of the objects move. */
export function* movingObjects(): Generator<Value, never> {
  const random = lcg(23);
  const objects = Array.from({ length: OBJECTS }, (_, id) => ({
    ...{ id, x: below(random, 1_000), y: below(random, 600), hp: 100 },
    state: pick(random, ["idle", "walk", "swim"]),
  }));
  for (;;) {
    yield objects.map((object) => ({ ...object }));
    for (const index of drawSome(random, MOVED, OBJECTS)) {
      const object = objects[index] as { x: number; y: number };
      object.x += stepOf(random);
      object.y += stepOf(random);
    }
  }
}

function stepOf(random: Random): number {
  return below(random, 2 * MOST_STEP + 1) - MOST_STEP;
}

const KEYS = 500;
const COUNTS = 10_000;
const REMOVAL_CHANCE = 0.05;

/** An object of 500 keys. Each update sets one; one update in twenty also removes another. */
export function* changingKeys(): Generator<Value, never> {
  const random = lcg(29);
  const counts = new Map(Array.from({ length: KEYS }, (_, i) => [`item-${i}`, below(random, COUNTS)]));
  for (;;) {
    yield Object.fromEntries(counts);
    counts.set(`item-${below(random, KEYS)}`, below(random, COUNTS));
    if (random() < REMOVAL_CHANCE) counts.delete(pick(random, [...counts.keys()]));
  }
}

const TEXT_CHARS = 8_000;
const VOCABULARY = 1_000;
const SHORTEST_WORD = 3;
const WORD_LENGTHS = 7;
const LETTERS = 26;

/** A text of 8,000 characters: one word changes. */
export function* changingText(): Generator<Value, never> {
  const random = lcg(31);
  const vocabulary = Array.from({ length: VOCABULARY }, () => drawWord(random));
  const words: string[] = [];
  for (let chars = 0; chars < TEXT_CHARS; chars += (words.at(-1)?.length ?? 0) + 1)
    words.push(pick(random, vocabulary));
  for (;;) {
    yield words.join(" ");
    words[below(random, words.length)] = pick(random, vocabulary);
  }
}

function drawWord(random: Random): string {
  const length = SHORTEST_WORD + below(random, WORD_LENGTHS);
  return String.fromCharCode(...Array.from({ length }, () => 97 + below(random, LETTERS)));
}

const BLOB_BYTES = 3_000;
const CHANGED_BYTES = 5;

/** Base64 of 3,000 bytes: five change. */
export function* changingBytes(): Generator<Value, never> {
  const random = lcg(37);
  const bytes = Buffer.from(Array.from({ length: BLOB_BYTES }, () => below(random, 256)));
  for (;;) {
    yield bytes.toString("base64");
    for (const index of drawSome(random, CHANGED_BYTES, BLOB_BYTES)) bytes[index] = below(random, 256);
  }
}

const QUEUE_LENGTH = 60;
const QUEUE_VALUES = 100;

/** An array of 60 numbers: the first leaves, another one comes last. */
export function* slidingNumbers(): Generator<Value, never> {
  const random = lcg(41);
  const queue = Array.from({ length: QUEUE_LENGTH }, () => below(random, QUEUE_VALUES));
  for (;;) {
    yield [...queue];
    queue.shift();
    queue.push(below(random, QUEUE_VALUES));
  }
}

/** This number of different numbers below `end`. */
function drawSome(random: Random, count: number, end: number): Set<number> {
  const drawn = new Set<number>();
  while (drawn.size < count) drawn.add(below(random, end));
  return drawn;
}

/** Size of one update's change, if a program that knows what changes writes it. */
export interface HandDelta {
  /** Information in the change: which part of how many, and its new value. */
  readonly bits: number;
  /** The same in whole bytes, since no message is shorter. */
  readonly bytes: number;
  readonly countedAs: string;
}

function delta(countedAs: string, ...bits: readonly number[]): HandDelta {
  const sum = bits.reduce((a, b) => a + b, 0);
  return { bits: sum, bytes: Math.ceil(sum / 8), countedAs };
}

/** Bits that choose `count` of `size` things, in any order. */
function bitsOfChoice(count: number, size: number): number {
  let bits = 0;
  for (let i = 0; i < count; i++) bits += Math.log2((size - i) / (i + 1));
  return bits;
}

/** Entropy of an event with this chance, in bits. */
function bitsOfChance(chance: number): number {
  return -chance * Math.log2(chance) - (1 - chance) * Math.log2(1 - chance);
}

const MEAN_WORD = SHORTEST_WORD + (WORD_LENGTHS - 1) / 2;

export const HAND_DELTAS = {
  state200: delta(
    "which 2 of 200, and 4 steps of 11 each",
    bitsOfChoice(MOVED, OBJECTS),
    2 * MOVED * Math.log2(2 * MOST_STEP + 1),
  ),
  dict500: delta(
    "which of 500, its value of 10,000; and whether, and which, is removed",
    Math.log2(KEYS) + Math.log2(COUNTS),
    bitsOfChance(REMOVAL_CHANCE) + REMOVAL_CHANCE * Math.log2(KEYS),
  ),
  doc8k: delta(
    "where in 8,000 characters, how many of 7 lengths, and 6 letters of 26",
    Math.log2(TEXT_CHARS / (MEAN_WORD + 1)) + Math.log2(WORD_LENGTHS) + MEAN_WORD * Math.log2(LETTERS),
  ),
  blob3k: delta(
    "which 5 of 3,000, and 8 bits each",
    bitsOfChoice(CHANGED_BYTES, BLOB_BYTES),
    8 * CHANGED_BYTES,
  ),
  queue: delta("the new number, of 100", Math.log2(QUEUE_VALUES)),
} as const satisfies Record<string, HandDelta>;
