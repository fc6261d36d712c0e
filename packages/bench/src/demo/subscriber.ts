import { connect, type Client, type Subscription } from "@stanzapack/client";
import { encodeFrame, parseNode } from "@stanzapack/wire";
import type { PublishedLog } from "./delivery.js";
import { hashJson } from "./delivery.js";
import { FormMeasurement } from "./measurement.js";
import type { Account, Road } from "./publishers.js";
import type { Readings } from "./readings.js";
import { DEMO_SERVICES } from "./services.js";

/** Our own consumer: one client that subscribes to every service, each with its window. */
export interface Subscriber {
  readonly measurement: FormMeasurement;
  /** Subscribes to all services. */
  subscribe(): Promise<void>;
  /** Ends every subscription. Resolves when the component has confirmed that. */
  unsubscribe(): Promise<void>;
  /** DATA frames since the connection began. */
  readonly dataFrames: number;
  /** Called once if the client ends by itself. */
  onFailure: ((error: Error) => void) | undefined;
  close(): Promise<void>;
}

export interface SubscriberOptions {
  readonly account: Account;
  readonly component: string;
  readonly road: Road;
  readonly nodes: readonly string[];
  readonly logs: ReadonlyMap<string, PublishedLog>;
  readonly readings: Readings;
  readonly signal: AbortSignal;
}

export async function startSubscriber(options: SubscriberOptions): Promise<Subscriber> {
  const { account, component, road, readings } = options;
  const client = await connect({ ...account, component, ...road, signal: options.signal });
  const measurement = new FormMeasurement("stanzapack", client.meter, options.logs, road);
  const subscriptions: Subscription[] = [];
  let dataFrames = 0;
  observeFrames(client, measurement, () => dataFrames++);
  const subscriber: Subscriber = {
    measurement,
    onFailure: undefined,
    get dataFrames() {
      return dataFrames;
    },
    async subscribe() {
      await Promise.all(
        options.nodes.map(async (node) => {
          const { name } = parseNode(node);
          const windowMs = DEMO_SERVICES.find((service) => service.name === name)?.windowMs ?? 0;
          const subscription = await client.subscribe(node, { windowMs });
          subscriptions.push(subscription);
          subscription.on("conflated", ({ from, to }) => measurement.conflated(name, to - from + 1));
          subscription.on("ended", (error) => error && subscriber.onFailure?.(error));
          subscription.on("update", ({ value, at, offset }) => {
            const json = JSON.stringify(value);
            measurement.value(name, hashJson(json), offset);
            readings.add(name, json, at);
          });
        }),
      );
    },
    async unsubscribe() {
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
    },
    close: () => client.close(),
  };
  client.on("closed", (error) => error && subscriber.onFailure?.(error));
  return subscriber;
}

/** Divides each stanza by the characters of its frames. */
function observeFrames(client: Client, measurement: FormMeasurement, onData: () => void): void {
  client.onBlock = (stanzaChars, frames) => {
    const parts = frames.map(({ frame, node }) => ({
      service: node === undefined ? undefined : parseNode(node).name,
      // A frame's characters in base64, as if its bytes were a multiple of three.
      chars: (encodeFrame(frame).length / 3) * 4,
    }));
    measurement.stanza(stanzaChars, parts);
    for (const { frame } of frames) if (frame.type === "data" || frame.type === "coded") onData();
  };
}
