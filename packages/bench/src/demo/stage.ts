import { RIVAL_FORMS, type RivalForm } from "../rivals/forms.js";
import { serveDashboard } from "./dashboard.js";
import { DemoError } from "./failure.js";
import { createLogs, sortRows, type FormMeasurement, type Row } from "./measurement.js";
import { startPublisherChild, type PublisherChild } from "./publisher-child.js";
import type { DemoOptions } from "./options.js";
import { Readings } from "./readings.js";
import { startSandboxProcess } from "./sandbox-process.js";
import { startSubscriber, type Subscriber } from "./subscriber.js";
import { startTwin, type Twin } from "./twins.js";

/** Everything that takes part in one run, started and connected. */
export interface Stage {
  /** Address of the dashboard. */
  readonly dashboardUrl: string;
  readonly readings: Readings;
  readonly subscriber: Subscriber;
  /** The rows measured so far. `settled`: after `settle`. */
  rows(settled: boolean): Row[];
  /** Subscribes, and begins to count. */
  subscribe(): Promise<void>;
  /** Counts everything so far as bytes that belong to no stanza. */
  passOver(): void;
  /** Stops counting. */
  freeze(): void;
  /** Waits until the publisher's process has reported everything that it has published so far. */
  settle(signal: AbortSignal): Promise<void>;
}

export interface StageHooks {
  readonly signal: AbortSignal;
  readonly onFailure: (error: Error) => void;
  readonly onProgress: (text: string) => void;
  /** Called with the function that stops a part, when the part has started. The last part is stopped first. */
  readonly onUp: (takeDown: () => Promise<void>) => void;
}

/** Accounts: the publisher, the subscriber, one for each rival, and the dashboard's. */
const USERS = 3 + RIVAL_FORMS.length;
const DASHBOARD_USER = USERS - 1;

export async function openStage(options: DemoOptions, hooks: StageHooks): Promise<Stage> {
  const { signal, onFailure, onUp } = hooks;
  hooks.onProgress(`starting ${options.server} and the component …`);
  const sandbox = await startSandboxProcess(options.server, USERS, signal, {
    ...options,
    admins: [`user${DASHBOARD_USER}@localhost`],
  });
  onUp(() => sandbox.stop());
  sandbox.child.onFailure = onFailure;
  const { road, streams, rival } = sandbox;
  const account = (index: number): { jid: string; password: string } => {
    const found = sandbox.accounts[index];
    if (found === undefined) throw new DemoError("internal", `the sandbox has no account ${index}`);
    return found;
  };

  hooks.onProgress("starting the rivals, the publishers and the subscriber …");
  const logs = createLogs();
  const twins: Twin[] = [];
  for (const [index, form] of RIVAL_FORMS.entries()) {
    const twin = await startTwin({
      form,
      account: account(2 + index),
      road,
      sender: rival.domain,
      logs,
      signal,
    });
    onUp(() => twin.close());
    twin.onFailure = onFailure;
    twins.push(twin);
  }
  const publishers = await startPublisherChild(
    {
      ...{ account: account(0), component: streams, road },
      twins: { ...rival, host: sandbox.host, port: sandbox.componentPort, to: addressesOf(twins) },
    },
    logs,
    signal,
  );
  onUp(() => publishers.stop());
  publishers.child.onFailure = onFailure;
  const readings = new Readings();
  const subscriber = await startSubscriber({
    ...{ account: account(1), component: streams, road, signal, logs, readings },
    nodes: publishers.nodes,
  });
  onUp(() => subscriber.close());
  subscriber.onFailure = onFailure;
  const stage = createStage(subscriber, twins, publishers, readings);
  const dashboard = await serveDashboard(sandbox, account(DASHBOARD_USER), () => stage.rows(false));
  onUp(() => dashboard.stop());
  hooks.onProgress(`dashboard: ${dashboard.url}`);
  return { ...stage, dashboardUrl: dashboard.url };
}

function createStage(
  subscriber: Subscriber,
  twins: readonly Twin[],
  publishers: PublisherChild,
  readings: Readings,
): Omit<Stage, "dashboardUrl"> {
  const measurements: FormMeasurement[] = [subscriber, ...twins].map(({ measurement }) => measurement);
  return {
    readings,
    subscriber,
    rows: (settled) => sortRows(measurements.flatMap((measurement) => measurement.rows(settled))),
    subscribe() {
      for (const measurement of measurements) measurement.begin();
      return subscriber.subscribe();
    },
    passOver() {
      for (const measurement of measurements) measurement.passOver();
    },
    freeze() {
      for (const measurement of measurements) measurement.freeze();
    },
    settle: (signal) => publishers.barrier(signal),
  };
}

function addressesOf(twins: readonly Twin[]): Record<RivalForm, string> {
  return Object.fromEntries(twins.map(({ form, jid }) => [form, jid])) as Record<RivalForm, string>;
}
