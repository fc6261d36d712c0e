// A subscriber that the crash proof kills. It reads one log by a cursor and the other by positions that the proof keeps,
// has a copy of the map, and queues commands.
import { setTimeout as sleep } from "node:timers/promises";
import type { Command, Subscription } from "@stanzapack/client";
import { openOutboxStore } from "@stanzapack/client/store";
import type { Entry } from "./map-load.js";
import { verified } from "./map-watch.js";
import { fault, logIn, persist, runChild, say } from "./resident-child.js";
import {
  CURSOR,
  METHOD,
  NAMES,
  NOTED,
  type LogName,
  type SubscriberReport,
  type SubscriberStart,
} from "./resident-messages.js";
import { numberOf } from "./values.js";

/** Time between two commands, in ms. */
const GAP_MS = 200;
/** Longest time for the result of a command, in ms: longer than any fault lasts. */
const TIMEOUT_MS = 120_000;

const numberOfCommand = ({ args }: Command): number => (args as { readonly n: number }).n;

runChild<SubscriberStart>(async ({ login, location, seed, publisher, since, lastCommand }) => {
  const store = await openOutboxStore(location);
  const client = await logIn(login);
  const commands = await client.commands(store);
  say<SubscriberReport>({ type: "pending", pending: commands.pending.map(numberOfCommand) });
  commands.on("done", ({ command }) =>
    say<SubscriberReport>({ type: "ended", n: numberOfCommand(command), how: "done" }),
  );
  commands.on("variance", ({ command, expected, result }) => {
    const code = `${JSON.stringify(result)} in place of ${JSON.stringify(expected)}`;
    say<SubscriberReport>({ type: "ended", n: numberOfCommand(command), how: "variance", code });
  });
  commands.on("failed", ({ command, error }) =>
    say<SubscriberReport>({ type: "ended", n: numberOfCommand(command), how: "failed", code: error.code }),
  );
  commands.on("damaged", ({ sequence, error }) =>
    fault(`command at ${sequence} is damaged: ${error.message}`),
  );
  commands.on("ended", (error) => fault(`the queue of commands ended: ${String(error?.message)}`));

  const nodeOf = (name: keyof typeof NAMES): string => `${publisher}/${NAMES[name]}`;
  const watchEnd = <T>(subscription: Subscription<T>): void =>
    void subscription.on("ended", (error) =>
      fault(`its subscription to \`${subscription.node}\` ended: ${String(error?.message)}`),
    );
  const watch = (subscription: Subscription<unknown>, log: LogName): void => {
    for (const what of ["lost", "conflated", "reset"] as const)
      subscription.on(what, ({ from, to }) => say<SubscriberReport>({ type: "told", log, what, from, to }));
    subscription.on("update", ({ value, epoch, offset }) => {
      const n = numberOf(seed, value);
      if (n === undefined) fault(`offset ${offset} of the log \`${log}\` had an unknown value`);
      else say<SubscriberReport>({ type: "update", log, of: [n, epoch, offset] });
    });
    watchEnd(subscription);
  };
  watch(
    await persist(() =>
      client.subscribe<unknown>(nodeOf("sync"), { windowMs: 100, cursor: CURSOR, since: "first" }),
    ),
    "sync",
  );
  watch(
    await persist(() =>
      client.subscribe<unknown>(nodeOf("interval"), { windowMs: 100, since: since ?? "first" }),
    ),
    "interval",
  );
  const map = await persist(() => client.subscribe<Entry>(nodeOf("map"), { windowMs: 100 }));
  watchEnd(map);
  map.on("repaired", ({ keys }) => fault(`${keys} keys of its map differed, and were repaired`));
  const view = commands.view(map);

  let last = lastCommand;
  let loading = false;
  let stopped: Promise<void> = Promise.resolve();
  const queueCommands = async (): Promise<void> => {
    while (loading) {
      const n = ++last;
      say<SubscriberReport>({ type: "queueing", n });
      await commands.call(
        map,
        METHOD,
        { n },
        {
          timeoutMs: TIMEOUT_MS,
          change: (copy) => {
            copy.set(NOTED, { n, text: String(n) });
            return n;
          },
        },
      );
      say<SubscriberReport>({ type: "queued", n });
      await sleep(GAP_MS);
    }
  };
  const failed = (error: unknown): void => fault(`queueing a command failed: ${(error as Error).message}`);
  const verify = async (): Promise<void> => {
    say<SubscriberReport>({ type: "verified", result: await verified(map) });
  };
  return (order) => {
    if (order === "load" && !loading) {
      loading = true;
      stopped = stopped.then(queueCommands).catch(failed);
    } else if (order === "rest") {
      loading = false;
      void stopped.then(() => say<SubscriberReport>({ type: "resting" }));
    } else if (order === "look") {
      const { synced } = map;
      say<SubscriberReport>({ type: "state", synced, map: [...map.map], view: [...view.map] });
    } else if (order === "verify") void verify();
  };
});
