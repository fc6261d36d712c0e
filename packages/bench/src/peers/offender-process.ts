// An offender: a client that makes trouble for others, by accident or on purpose.
import { setTimeout as delay } from "node:timers/promises";
import { connect, type Client } from "@stanzapack/client";
import { createClientConnection, createInBandBytestreams, sleep, xml } from "@stanzapack/xmpp";
import { objects } from "../workloads/series.js";
import { answerCalls } from "../measure/rpc.js";
import { openCostlyPublisher } from "./costly-publisher.js";
import type { Account, Offender, OffenderMethods, Road, Trouble } from "./methods.js";
import { startStoppableProxy } from "./stoppable-proxy.js";

const FLOOD_PER_SECOND = 10_000;
const FLOOD_EVERY_MS = 10;
const COSTLY_EVERY_MS = 500;
/**
 * Time after which the client that opens links tries again if it is refused, in ms. It does not wait as long as it is
 * told.
 */
const IMPATIENT_MS = 5;

interface Scene {
  readonly accounts: readonly Account[];
  readonly road: Road;
  readonly nodes: readonly string[];
  readonly windowMs: number;
}

interface Act {
  readonly trouble: { done: number; refused: number };
  end(): Promise<void>;
}

const ACTS: Readonly<Record<Offender, (scene: Scene) => Promise<Act>>> = {
  /** A program that waits forever in its loop over each subscription. */
  async stuck({ accounts, road, nodes, windowMs }) {
    const client = await login(accounts[0], road);
    const trouble = none();
    for (const node of nodes) {
      const subscription = await client.subscribe(node, { windowMs });
      void (async () => {
        for await (const _ of subscription) {
          trouble.done++;
          await new Promise(() => undefined);
        }
      })();
    }
    return { trouble, end: () => client.close() };
  },

  /** A client whose socket is open, but from which nothing is read any more. */
  async stopped({ accounts, road, nodes, windowMs }) {
    const proxy = await startStoppableProxy(road.url);
    const client = await login(accounts[0], { ...road, url: proxy.url });
    const trouble = none();
    for (const node of nodes) (await client.subscribe(node, { windowMs })).on("update", () => trouble.done++);
    proxy.stopReading();
    return {
      trouble,
      async end() {
        await proxy.close();
        // The client's server does not answer any more, so this does not wait for the close.
        void client.close();
      },
    };
  },

  /** Publishes without a limit. It has a subscriber. */
  async flood({ accounts, road, windowMs }) {
    const [publisher, taker] = await Promise.all([login(accounts[0], road), login(accounts[1], road)]);
    const service = await publisher.offer("flood");
    const trouble = none();
    await taker.subscribe(service.node, { windowMs }).then((it) => it.on("update", () => undefined));
    const values = objects();
    const startedAt = performance.now();
    const timer = setInterval(() => {
      const due = ((performance.now() - startedAt) / 1_000) * FLOOD_PER_SECOND;
      for (; trouble.done < due; trouble.done++) service.publish(values.next().value);
    }, FLOOD_EVERY_MS);
    return {
      trouble,
      async end() {
        clearInterval(timer);
        await Promise.all([publisher.close(), taker.close()]);
      },
    };
  },

  /**
   * Subscribes and ends the subscription, for each service alone, in turn with the others' window, with none and with a
   * long one.
   */
  async churn({ accounts, road, nodes, windowMs }) {
    const ending = new AbortController();
    const trouble = none();
    const windows = [windowMs, 0, 10 * windowMs];
    const client = await login(accounts[0], road);
    const loop = async (node: string): Promise<void> => {
      for (let turn = 0; !ending.signal.aborted; turn++) {
        try {
          const subscription = await client.subscribe(node, { windowMs: windows[turn % 3] as number });
          trouble.done++;
          await subscription.stop();
        } catch {
          trouble.refused++;
          await delay(IMPATIENT_MS);
        }
      }
    };
    const loops = nodes.map(loop);
    return {
      trouble,
      async end() {
        ending.abort();
        await Promise.all(loops);
        await client.close();
      },
    };
  },

  /** Publishes few bytes that take the component long to read, and to encode again for subscribers. */
  async costly({ accounts, road, windowMs }) {
    const [account, other] = accounts as [Account, Account];
    const connection = createClientConnection({ ...account, url: road.url, ca: road.ca });
    await connection.start();
    // So that the component hears when this client has left, although it has not read everything yet.
    connection.sendElement(xml("presence", { to: road.component }));
    const taker = await login(other, road);
    const trouble = none();
    let timer: NodeJS.Timeout | undefined;
    let publisher = await openCostlyPublisher(connection, road.component, `${account.jid}/costly`);
    await taker.subscribe(publisher.node, { windowMs });
    const send = async (): Promise<void> => {
      if (publisher.ended) {
        trouble.refused++;
        publisher.close();
        publisher = await openCostlyPublisher(connection, road.component, publisher.node);
      }
      trouble.done += publisher.send();
    };
    const go = (): void => {
      timer = setTimeout(
        () =>
          void send()
            .catch(() => trouble.refused++)
            .finally(go),
        COSTLY_EVERY_MS,
      );
    };
    go();
    return {
      trouble,
      async end() {
        clearTimeout(timer);
        publisher.close();
        await Promise.all([connection.stop(), taker.close()]);
      },
    };
  },

  /** Opens and closes links, and does not wait as long as it is told. */
  async links({ accounts, road }) {
    const connection = createClientConnection({ ...(accounts[0] as Account), url: road.url, ca: road.ca });
    await connection.start();
    const streams = createInBandBytestreams(connection);
    const ending = new AbortController();
    const trouble = none();
    const loop = (async () => {
      while (!ending.signal.aborted) {
        try {
          const stream = await streams.open(road.component, { timeoutMs: 5_000 });
          trouble.done++;
          await stream.close();
        } catch {
          trouble.refused++;
          await sleep(IMPATIENT_MS, ending.signal);
        }
      }
    })();
    return {
      trouble,
      async end() {
        ending.abort();
        await loop;
        streams.dispose();
        await connection.stop();
      },
    };
  },
};

let act: Act | undefined;

const methods: OffenderMethods = {
  async begin({ offender, ...scene }) {
    act = await ACTS[offender](scene);
  },
  count: () => act?.trouble ?? none(),
  async end() {
    const ending = act;
    act = undefined;
    await ending?.end();
  },
};

function none(): { -readonly [K in keyof Trouble]: Trouble[K] } {
  return { done: 0, refused: 0 };
}

function login(account: Account | undefined, road: Road): Promise<Client> {
  return connect({ ...(account as Account), ...road, timeoutMs: 60_000 });
}

answerCalls(methods, async () => act?.end());
