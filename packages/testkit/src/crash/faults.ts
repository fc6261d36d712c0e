import { setTimeout as sleep } from "node:timers/promises";
import type { ComponentProcess, Sandbox } from "@stanzapack/sandbox";
import type { Random } from "../base/random.js";
import type { TcpProxy } from "../proxies/tcp-proxy.js";
import type { PrivateRedis } from "../redis/private-redis.js";

/** The proxies through which one transport's clients are connected. */
export interface Roads {
  readonly publisher: TcpProxy;
  readonly subscribers: readonly TcpProxy[];
}

/** What all transports of one server share. */
export interface Machinery {
  readonly sandbox: Sandbox;
  readonly component: ComponentProcess;
  readonly componentRoad: TcpProxy;
  /** Where the component's store is. Undefined: not in Redis. */
  readonly redis: PrivateRedis | undefined;
  /** The proxy through which the component is connected to Redis. */
  readonly redisRoad: TcpProxy | undefined;
}

/** A fault with all its random values drawn: it does the same each time. */
export interface Fault<On> {
  readonly text: string;
  /** Whether the component's process ends, and loses its memory. */
  readonly endsComponent?: boolean;
  /** Resolves when the fault is over. Rejects when `signal` fires. */
  run(on: On, signal: AbortSignal): Promise<void>;
}

/** `swift`, for tests: a third as long, and without faults that clients find by time-outs alone. */
export interface DrawOptions {
  readonly swift: boolean;
}

/** Draws a fault of connections on some roads. `road` names whose roads. */
type DrawForRoads = (random: Random, road: string, options: DrawOptions) => Fault<readonly TcpProxy[]>;

type Draw<On> = (random: Random, options: DrawOptions) => Fault<On>;

const COMPONENT = "the component";
const PARTIES = ["the publisher", "a subscriber", "all subscribers", "everyone"] as const;
type Party = (typeof PARTIES)[number];

function pick(party: Party, { publisher, subscribers }: Roads, which: number): readonly TcpProxy[] {
  switch (party) {
    case "the publisher":
      return [publisher];
    case "a subscriber":
      return [subscribers[which % subscribers.length] as TcpProxy];
    case "all subscribers":
      return subscribers;
    case "everyone":
      return [publisher, ...subscribers];
  }
}

const between = (random: Random, min: number, max: number): number => min + random.below(max - min + 1);

/** Draws a time, in ms. */
function drawTime(random: Random, min: number, max: number, { swift }: DrawOptions): number {
  return Math.round(between(random, min, max) / (swift ? 3 : 1));
}

/** Resets connections, one or more times in a row. */
const drawKill: DrawForRoads = (random, road, options) => {
  const gaps = Array.from({ length: between(random, 1, 4) }, () => drawTime(random, 150, 1_200, options));
  return {
    text: `connections of ${road} reset ${gaps.length} times`,
    async run(proxies, signal) {
      for (const gap of gaps) {
        for (const proxy of proxies) proxy.cut();
        await sleep(gap, undefined, { signal });
      }
    },
  };
};

/** Cuts all connections, and refuses new ones for a while. */
const drawCut: DrawForRoads = (random, road, options) => {
  const awayMs = drawTime(random, 500, 5_000, options);
  return {
    text: `network of ${road} down for ${awayMs} ms`,
    async run(proxies, signal) {
      for (const proxy of proxies) {
        proxy.refuse = true;
        proxy.cut();
      }
      await sleep(awayMs, undefined, { signal });
      for (const proxy of proxies) proxy.heal();
    },
  };
};

const HALVES = {
  "silent to the server": (proxy) => proxy.silence("toServer"),
  "silent from the server": (proxy) => proxy.silence("toClient"),
  "closed at the server only": (proxy) => proxy.halfOpen("server"),
  "closed at the client only": (proxy) => proxy.halfOpen("client"),
} as const satisfies Record<string, (proxy: TcpProxy) => void>;

/**
 * One direction is silent, or one end is closed and the other end does not hear of it. After a while the network drops
 * the connection. On clients' roads it may not; then every side must find out by itself.
 */
const drawHalf: DrawForRoads = (random, road, options) => {
  const how = random.pick(Object.keys(HALVES) as (keyof typeof HALVES)[]);
  const untilToldMs = drawTime(random, 1_000, 4_000, options);
  const found = road !== COMPONENT && !options.swift && random.chance(50);
  return {
    text: `connections of ${road} ${how}, ${found ? "not dropped" : `dropped after ${untilToldMs} ms`}`,
    async run(proxies, signal) {
      for (const proxy of proxies) HALVES[how](proxy);
      await sleep(untilToldMs, undefined, { signal });
      if (!found) for (const proxy of proxies) proxy.cut();
    },
  };
};

/** `draw`'s fault, for some of a transport's clients. */
function forParty(draw: DrawForRoads): Draw<Roads> {
  return (random, options) => {
    const party = random.pick(PARTIES);
    const which = random.below(64);
    const fault = draw(random, party, options);
    return { ...fault, run: (roads, signal) => fault.run(pick(party, roads, which), signal) };
  };
}

const drawDelay: DrawForRoads = (random, road, options) => {
  const delayMs = between(random, 50, 600);
  const jitterMs = between(random, 0, 400);
  const forMs = drawTime(random, 1_500, 4_000, options);
  return {
    text: `traffic of ${road} delayed by ${delayMs} to ${delayMs + jitterMs} ms each way for ${forMs} ms`,
    async run(proxies, signal) {
      for (const { toServer, toClient } of proxies)
        for (const pipe of [toServer, toClient]) Object.assign(pipe, { delayMs, jitterMs });
      await sleep(forMs, undefined, { signal });
      for (const proxy of proxies) proxy.heal();
    },
  };
};

const drawThrottle: DrawForRoads = (random, road, options) => {
  const bytesPerSecond = between(random, 2_000, 10_000);
  const forMs = drawTime(random, 1_500, 4_000, options);
  return {
    text: `traffic of ${road} limited to ${bytesPerSecond} bytes a second each way for ${forMs} ms`,
    async run(proxies, signal) {
      for (const { toServer, toClient } of proxies)
        for (const pipe of [toServer, toClient]) pipe.bytesPerSecond = bytesPerSecond;
      await sleep(forMs, undefined, { signal });
      for (const proxy of proxies) proxy.heal();
    },
  };
};

const onComponentRoad =
  (draw: DrawForRoads): Draw<Machinery> =>
  (random, options) => {
    const fault = draw(random, COMPONENT, options);
    return { ...fault, run: ({ componentRoad }, signal) => fault.run([componentRoad], signal) };
  };

const endComponent =
  (by: "SIGKILL" | "SIGTERM"): Draw<Machinery> =>
  (random, options) => {
    const downMs = drawTime(random, 0, 2_500, options);
    return {
      text: `the component ended by ${by}, started again after ${downMs} ms`,
      endsComponent: true,
      async run({ component }, signal) {
        await component.end(by);
        await sleep(downMs, undefined, { signal });
        await component.start(signal);
      },
    };
  };

const endServer =
  (how: "halt" | "crash"): Draw<Machinery> =>
  (random, options) => {
    const downMs = drawTime(random, 0, 2_500, options);
    return {
      text: `the server ${how === "halt" ? "stopped" : "killed"}, started again after ${downMs} ms`,
      async run({ sandbox }, signal) {
        await sandbox[how]();
        await sleep(downMs, undefined, { signal });
        await sandbox.start();
      },
    };
  };

const endRedis =
  (how: "stop" | "kill"): Draw<Machinery> =>
  (random, options) => {
    const downMs = drawTime(random, 0, 2_500, options);
    return {
      text: `Redis ${how === "stop" ? "stopped" : "killed"}, started again after ${downMs} ms`,
      async run({ redis }, signal) {
        await redis?.[how]();
        await sleep(downMs, undefined, { signal });
        await redis?.start();
      },
    };
  };

/** Halts the process of Redis: its connections stay, and nobody answers. */
const haltRedis: Draw<Machinery> = (random, options) => {
  const haltMs = drawTime(random, 1_000, 9_000, options);
  return {
    text: `Redis halted for ${haltMs} ms`,
    async run({ redis }, signal) {
      redis?.pause();
      await sleep(haltMs, undefined, { signal }).finally(() => redis?.proceed());
    },
  };
};

const onRedisRoad =
  (draw: DrawForRoads): Draw<Machinery> =>
  (random, options) => {
    const fault = draw(random, "Redis", options);
    return { ...fault, run: ({ redisRoad }, signal) => fault.run(redisRoad ? [redisRoad] : [], signal) };
  };

/** Redis and the component end together, in either order. */
const endBoth: Draw<Machinery> = (random, options) => {
  const redisFirst = random.chance(50);
  const downMs = drawTime(random, 0, 2_500, options);
  return {
    text: `Redis and the component killed, ${redisFirst ? "Redis" : "the component"} first`,
    endsComponent: true,
    async run({ redis, component }, signal) {
      if (redisFirst) await redis?.kill();
      await component.end("SIGKILL");
      await redis?.kill();
      await sleep(downMs, undefined, { signal });
      await redis?.start();
      await component.start(signal);
    },
  };
};

/** Faults of one transport's clients. */
export const ROAD_FAULTS = {
  "kill-clients": forParty(drawKill),
  "cut-clients": forParty(drawCut),
  "half-clients": forParty(drawHalf),
  delay: forParty(drawDelay),
  throttle: forParty(drawThrottle),
} as const satisfies Record<string, Draw<Roads>>;

/** Faults that affect all transports of one server. */
export const MACHINERY_FAULTS = {
  "kill-component-stream": onComponentRoad(drawKill),
  "cut-component-stream": onComponentRoad(drawCut),
  "half-component-stream": onComponentRoad(drawHalf),
  "crash-component": endComponent("SIGKILL"),
  "restart-component": endComponent("SIGTERM"),
  "restart-server": endServer("halt"),
  "crash-server": endServer("crash"),
} as const satisfies Record<string, Draw<Machinery>>;

/** Faults that affect all transports of one server whose component has its store in Redis. */
export const REDIS_FAULTS = {
  "kill-redis-stream": onRedisRoad(drawKill),
  "cut-redis-stream": onRedisRoad(drawCut),
  "half-redis-stream": onRedisRoad(drawHalf),
  "crash-redis": endRedis("kill"),
  "restart-redis": endRedis("stop"),
  "halt-redis": haltRedis,
  "crash-redis-and-component": endBoth,
} as const satisfies Record<string, Draw<Machinery>>;

export type RoadFaultKind = keyof typeof ROAD_FAULTS;
export type MachineryFaultKind = keyof typeof MACHINERY_FAULTS;
/** `storm`: one fault of each sort at once. */
export type RedisFaultKind = keyof typeof REDIS_FAULTS;
export type FaultKind = RoadFaultKind | MachineryFaultKind | RedisFaultKind | "storm";

export const ROAD_FAULT_KINDS = Object.keys(ROAD_FAULTS) as RoadFaultKind[];
export const MACHINERY_FAULT_KINDS = Object.keys(MACHINERY_FAULTS) as MachineryFaultKind[];
export const REDIS_FAULT_KINDS = Object.keys(REDIS_FAULTS) as RedisFaultKind[];
/** Faults of each stage. Consecutive seeds take them in turn, so their order stays. */
export const FAULT_KINDS: readonly FaultKind[] = [...ROAD_FAULT_KINDS, ...MACHINERY_FAULT_KINDS, "storm"];

export const isRoadFault = (kind: FaultKind): kind is RoadFaultKind => Object.hasOwn(ROAD_FAULTS, kind);
export const isRedisFault = (kind: FaultKind): kind is RedisFaultKind => Object.hasOwn(REDIS_FAULTS, kind);
export const isMachineryFault = (kind: FaultKind): kind is MachineryFaultKind =>
  Object.hasOwn(MACHINERY_FAULTS, kind);
