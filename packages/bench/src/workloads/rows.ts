import type { Value } from "@stanzapack/wire";
import { readCsv, readJson } from "../demo/data-files.js";
import {
  changingBytes,
  changingKeys,
  changingText,
  type HAND_DELTAS,
  movingObjects,
  slidingNumbers,
} from "./large-states.js";
import { doubles, floats, floats32, ints, objects, positions, sensors, sums } from "./series.js";
import { chat, logLines } from "./texts.js";

const LINE_CHARS = 1_000;

/** Data sets of the codec's benchmark: ten are made up, twelve are from vega-datasets. */
const ROWS = {
  int: () => take(600, ints()),
  float2: () => take(600, floats()),
  obj: () => take(600, objects()),
  multi50: () => take(600, sensors()),
  pos30: () => take(600, positions()),
  log1000: () => take(200, logLines(LINE_CHARS)),
  chat: () => take(500, chat()),
  dbl: () => take(600, doubles()),
  acc: () => take(600, sums()),
  f32dec: () => take(600, floats32()),
  seattle: () => readCsv("seattle-weather.csv"),
  normals: () => readCsv("seattle-weather-hourly-normals.csv").slice(0, 2_000),
  wind: () => readCsv("windvectors.csv").slice(0, 2_000),
  stocks: () => readCsv("stocks.csv"),
  sp500: () => readCsv("sp500-2000.csv").slice(0, 2_000),
  birds: () => readCsv("birdstrikes.csv").slice(0, 1_500),
  weather: () => readCsv("weather.csv").slice(0, 2_000),
  usemp: () => readCsv("us-employment.csv"),
  quakes: () =>
    (readJson("earthquakes.json") as { features: { properties: Value }[] }).features
      .slice(0, 1_000)
      .map(({ properties }) => properties),
  flights: () => readJson("flights-2k.json") as Value[],
  gap: () => readJson("gapminder.json") as Value[],
  movies: () => (readJson("movies.json") as Value[]).slice(0, 1_000),
} as const satisfies Record<string, () => Value[]>;

/** Large values that change a little. They are reported apart, since means over both sorts would describe neither. */
const LARGE_ROWS = {
  state200: () => take(500, movingObjects()),
  dict500: () => take(1_000, changingKeys()),
  doc8k: () => take(1_000, changingText()),
  blob3k: () => take(1_000, changingBytes()),
  queue: () => take(500, slidingNumbers()),
} as const satisfies Record<keyof typeof HAND_DELTAS, () => Value[]>;

export type LargeRowSetId = keyof typeof LARGE_ROWS;
export type RowSetId = keyof typeof ROWS | LargeRowSetId;

/** The 22 data sets over which the means are computed. */
export const ROW_SETS = Object.keys(ROWS) as readonly RowSetId[];
export const LARGE_ROW_SETS = Object.keys(LARGE_ROWS) as readonly LargeRowSetId[];

export function isLarge(id: string): id is LargeRowSetId {
  return Object.hasOwn(LARGE_ROWS, id);
}

/** The same rows at each call. */
export function createRows(id: RowSetId): readonly Value[] {
  return isLarge(id) ? LARGE_ROWS[id]() : ROWS[id]();
}

function take(count: number, values: Iterator<Value, never>): Value[] {
  return Array.from({ length: count }, () => values.next().value);
}
