import type { Value } from "@stanzapack/wire";
import { readCsv, readJson } from "../demo/data-files.js";
import { below, lcg, pick } from "./random.js";

// The same texts as in the codec's prototype, but without an end.

const LOG_EVENTS = [
  ...["accepted connection", "closed idle session", "retrying upstream call", "cache miss for key"],
  ...["authenticated user", "query finished", "slow response", "rate limit near threshold"],
];

/** Lines of a log, each of exactly `chars` characters. */
export function* logLines(chars: number): Generator<string, never> {
  const random = lcg(11);
  const number = (end: number): number => below(random, end);
  const hex = (digits: number): string => {
    let text = "";
    for (let i = 0; i < digits; i++) text += "0123456789abcdef"[number(16)];
    return text;
  };
  for (let line = 0; ; line++) {
    const at = new Date(Date.UTC(2026, 0, 1) + line * 1_370 + number(900)).toISOString();
    let text = `${at} ${pick(random, ["INFO", "INFO", "INFO", "WARN", "ERROR"])} api-gateway[${1_000 + number(8)}]`;
    while (text.length < chars)
      text +=
        ` ${pick(random, LOG_EVENTS)} client=10.${number(4)}.${number(256)}.${number(256)} req=${hex(12)}` +
        ` path=/v1/${pick(random, ["orders", "users", "items", "carts"])}/${number(100_000)}` +
        ` status=${pick(random, [200, 200, 200, 204, 304, 404, 500])} ms=${(random() * random() * 900).toFixed(1)};`;
    yield text.slice(0, chars);
  }
}

const NAMES = ["alice", "bob", "carol", "dave", "erin"];

interface Movie {
  readonly Title: unknown;
  readonly Director: string | null;
  readonly "Major Genre": string | null;
}

/** A chat: each person has own phrases, around the large vocabulary of films and airports. */
export function* chat(): Generator<Value, never> {
  const random = lcg(13);
  const movies = readJson("movies.json") as Movie[];
  const airports = readCsv("airports.csv") as { name: string; city: string }[];
  const n = (end: number): number => 1 + below(random, end);
  const movie = (): string => String(pick(random, movies).Title);
  const director = (): string => String(pick(random, movies).Director ?? "somebody");
  const genre = (): string => String(pick(random, movies)["Major Genre"] ?? "drama").toLowerCase();
  const airport = (): string => pick(random, airports).name;
  const city = (): string => pick(random, airports).city;
  const phrases: readonly (() => string)[] = [
    () => `has anyone seen ${movie()} yet?`,
    () => `I liked ${movie()} a lot more than ${movie()}`,
    () => `landing at ${airport()} around ${n(12)}:${10 + n(49)}, can you pick me up`,
    () => `ok`,
    () => `lol no`,
    () => `brb, ${n(50)} minutes`,
    () => `who directed ${movie()}? was it ${director()}?`,
    () => `pretty sure that was ${director()}`,
    () => `the deploy to ${city()} is stuck at ${n(100)}%`,
    () => `can you look at ticket ${n(9999)} before lunch`,
    () => `done, see the log for details`,
    () => `we should move the ${genre()} night to Friday`,
    () => `${city()} or ${city()}, I can't decide`,
    () => `thanks!`,
    () => `not really my thing, too much ${genre()}`,
    () => `train is ${n(90)} min late again, start without me`,
    () => `queue depth is back to ${n(3000)} after the restart`,
    () => `I left the keys with the neighbour, second door on the left`,
    () => `what was the name of that place near ${airport()}?`,
    () => `yes but only if ${pick(random, NAMES)} brings the projector`,
    () => `sending you the file now, it is about ${n(900)} MB`,
    () => `did the ${n(12)}am batch run? the dashboard still shows yesterday`,
    () => `${movie()} is on tonight if you want to join us`,
    () => `sorry, wrong window`,
  ];
  for (let t = Date.UTC(2026, 0, 1); ;) {
    const from = pick(random, NAMES);
    t += 1_000 + below(random, 30_000);
    yield { from, at: new Date(t).toISOString(), body: pick(random, phrases)() };
  }
}
