// A publisher that the crash proof kills: two logs, a map that commands change too, and a value that it must approve.
import type { OfferedMap, OfferedService } from "@stanzapack/client";
import { openOutboxStore } from "@stanzapack/client/store";
import { createRandom } from "../base/random.js";
import { publishNext } from "./load.js";
import { MapLoad, type Entry } from "./map-load.js";
import { fault, logIn, persist, runChild, say } from "./resident-child.js";
import {
  LOGS,
  METHOD,
  NAMES,
  NOTED,
  RESIDENT_RATE,
  type LogCounts,
  type LogName,
  type PublisherReport,
  type PublisherStart,
} from "./resident-messages.js";

/** Time between two bursts of each log, in ms. */
const GAP_MS = 100;
const BURST = (RESIDENT_RATE * GAP_MS) / 1_000;
/** Time between two changes of the map, in ms: 20 a second. */
const MAP_GAP_MS = 50;

runChild<PublisherStart>(async ({ login, location, seed, approved }) => {
  const store = await openOutboxStore(location);
  const client = await logIn(login);
  const offerLog = (name: LogName): Promise<OfferedService> =>
    client.offer(NAMES[name], { kind: "log", durability: name, store });
  const logs = { sync: await offerLog("sync"), interval: await offerLog("interval") };
  for (const log of Object.values(logs))
    log.on("stale", ({ from, to }) => fault(`the store of \`${log.node}\` lacks updates ${from} to ${to}`));
  let rests = false;
  const published = (): LogCounts => ({ sync: logs.sync.published, interval: logs.interval.published });
  const tellRest = (): void =>
    say<PublisherReport>({ type: "resting", published: published(), entries: [...load.model] });
  // The session of a process that was killed may still have the services.
  const map = await persist(
    () =>
      client.offer(NAMES.map, { kind: "map", durability: "interval", takeOver: true }) as Promise<
        OfferedMap<Entry>
      >,
  );
  const load = new MapLoad(map, createRandom(seed), MAP_GAP_MS);
  map.handle<{ readonly n: number }>(METHOD, ({ n }) => {
    // The proof hears of it before the caller.
    say<PublisherReport>({ type: "ran", n });
    load.set(NOTED, { n, text: String(n) });
    if (rests) tellRest();
    return n;
  });
  // A map belongs to the component. This process begins with an empty one.
  load.clear();
  const value = await persist(() =>
    client.offer(NAMES.value, {
      ...{ access: "authorize", takeOver: true },
      authorize: ({ jid }) => {
        say<PublisherReport>({ type: "asked", jid });
        return jid === approved;
      },
    }),
  );
  for (const service of [...LOGS.map((name) => logs[name]), map, value])
    service.on("ended", (error) => fault(`\`${service.node}\` ended: ${String(error?.message)}`));

  const tellCounts = (): void => {
    const { sync, interval } = logs;
    const kept = {
      sync: sync.published - sync.unacknowledged,
      interval: interval.published - interval.unacknowledged,
    };
    say<PublisherReport>({ type: "counts", published: published(), kept });
  };
  const tellSaved = async (): Promise<void> => {
    const saved = published();
    await Promise.all(LOGS.map((name) => logs[name].saved()));
    say<PublisherReport>({ type: "saved", saved });
  };
  const failed = (error: unknown): void => fault(`saving failed: ${(error as Error).message}`);
  let timer: NodeJS.Timeout | undefined;
  const rest = async (): Promise<void> => {
    clearInterval(timer);
    timer = undefined;
    load.stop();
    await tellSaved();
    tellCounts();
    rests = true;
    tellRest();
  };
  const tick = (): void => {
    for (const name of LOGS) for (let i = 0; i < BURST; i++) publishNext(logs[name], seed);
    value.publish(logs.sync.published);
    tellCounts();
    tellSaved().catch(failed);
  };
  tellCounts();
  return (order) => {
    if (order === "load") {
      rests = false;
      timer ??= setInterval(tick, GAP_MS);
      load.begin();
    } else if (order === "rest") rest().catch(failed);
  };
});
