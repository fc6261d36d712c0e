import type { Value } from "@stanzapack/wire";
import { lcg, roundedLcg } from "./random.js";

// The same numbers as in the codec's prototype, but without an end.

export function* ints(): Generator<Value, never> {
  const random = roundedLcg(1);
  for (let x = 500; ;) yield { x: (x += Math.round((random() - 0.5) * 6)) };
}

export function* floats(): Generator<Value, never> {
  const random = roundedLcg(2);
  for (let x = 21.5; ;) yield { x: (x = Math.round((x + (random() - 0.5) * 0.3) * 100) / 100) };
}

export function* objects(): Generator<Value, never> {
  const random = roundedLcg(4);
  const state = { cpu: 20, mem: 512, fps: 60, x: 10, y: 20 };
  for (;;) {
    state.cpu = Math.round(random() * 1_000) / 10;
    state.x += Math.round((random() - 0.5) * 4);
    state.y += Math.round((random() - 0.5) * 4);
    yield { ...state };
  }
}

const SENSORS = 50;

/** An ISO time and 50 sensors: 20 that seldom change, 20 that drift, 10 that rise. */
export function* sensors(): Generator<Value, never> {
  const random = lcg(7);
  const bell = (): number => random() + random() + random() + random() - 2;
  const start = Date.UTC(2026, 0, 1);
  const state = Array.from({ length: SENSORS }, () => Math.round(2_000 + random() * 500));
  for (let k = 0; ; k++) {
    const row: Record<string, Value> = { t: new Date(start + k * 100).toISOString() };
    for (let i = 0; i < SENSORS; i++) {
      let sensor = state[i] as number;
      if (i < 20) {
        if (random() < 0.1) sensor += random() < 0.5 ? -1 : 1;
      } else sensor += i < 40 ? Math.round(bell() * 8) : Math.round(40 + bell() * 10);
      state[i] = sensor;
      row[`s${i}`] = i < 20 ? sensor / 10 : i < 40 ? sensor / 100 : sensor;
    }
    yield row;
  }
}

/** 30 things on a plane of 1000 × 600 that stand, move straight, or turn. */
export function* positions(): Generator<Value, never> {
  const random = lcg(9);
  const things = Array.from({ length: 30 }, () => {
    return { x: random() * 1_000, y: random() * 600, vx: 0, vy: 0, idle: false };
  });
  for (;;) {
    const row: Record<string, Value> = {};
    for (const [i, thing] of things.entries()) {
      if (random() < 0.02) thing.idle = !thing.idle;
      if (!thing.idle) {
        if (random() < 0.05) {
          const direction = random() * 6.283;
          const speed = 2 + random() * 6;
          thing.vx = Math.cos(direction) * speed;
          thing.vy = Math.sin(direction) * speed;
        }
        thing.x += thing.vx;
        thing.y += thing.vy;
        if (thing.x < 0 || thing.x > 1_000) thing.vx = -thing.vx;
        if (thing.y < 0 || thing.y > 600) thing.vy = -thing.vy;
      }
      row[`p${i}`] = { x: Math.round(thing.x), y: Math.round(thing.y) };
    }
    yield row;
  }
}

/** Doubles with all their digits. */
export function* doubles(): Generator<Value, never> {
  const random = lcg(17);
  let a = 20;
  for (let k = 0; ; k++)
    yield { a: (a += (random() - 0.5) * 0.1), b: Math.sin(k / 40) * 100 + (random() - 0.5) * 0.01 };
}

/** Two decimals, held as float32. */
export function* floats32(): Generator<Value, never> {
  const random = lcg(19);
  for (let a = 20; ;) {
    a = Math.round((a + (random() - 0.5) * 0.4) * 100) / 100;
    yield { a: Math.fround(a) };
  }
}

/** Sums of hundredths and of 0.1: decimals with the rounding errors of addition. */
export function* sums(): Generator<Value, never> {
  const random = roundedLcg(8);
  for (let a = 0, b = 5; ;) yield { a: (a += Math.round(random() * 20) / 100), b: (b += 0.1) };
}
