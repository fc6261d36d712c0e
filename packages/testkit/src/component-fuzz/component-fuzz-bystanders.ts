import { connect, type Client, type ConnectOptions, type OfferedService } from "@stanzapack/client";
import { until } from "../base/until.js";

export const BYSTANDER = "bystander";

/** Window of the publisher and of the subscriber, in ms. */
const EVERY_MS = 100;
/** Longest wait for the first value, and for the last one, in ms. */
const PATIENCE_MS = 20_000;
/** Largest age that a busy machine can explain, in ms. */
const MAX_P99_MS = 5_000;

/** A publisher and a subscriber that exchange a value every 100 ms, and nothing else. */
export class Bystanders {
  readonly node: string;
  private published = 0;
  private readonly received = new Set<number>();
  private readonly ages: number[] = [];
  private readonly timer: NodeJS.Timeout;
  /** Why links ended. */
  private readonly ends: string[] = [];

  private constructor(
    private readonly clients: readonly Client[],
    service: OfferedService,
  ) {
    this.node = service.node;
    for (const client of clients)
      client.on("offline", ({ code, message }) => this.ends.push(`${code}: ${message}`));
    this.timer = setInterval(
      () => service.publish([++this.published, Math.round(performance.now())]),
      EVERY_MS,
    );
  }

  static async start(publisher: ConnectOptions, subscriber: ConnectOptions): Promise<Bystanders> {
    const clients = await Promise.all([connect(publisher), connect(subscriber)]);
    const service = await clients[0].offer(BYSTANDER);
    const subscription = await clients[1].subscribe<[number, number]>(service.node, { windowMs: EVERY_MS });
    await until(() => service.demand.subscribers > 0, PATIENCE_MS, "demand for the bystander's values");
    const bystanders = new Bystanders(clients, service);
    subscription.on("update", ({ value: [n, at] }) => {
      bystanders.received.add(n);
      bystanders.ages.push(Math.round(performance.now()) - at);
    });
    await until(() => bystanders.received.size > 0, PATIENCE_MS, "the bystander's first value");
    return bystanders;
  }

  /** Ends both. Returns what the subscriber received, and the faults in it. */
  async stop(): Promise<{ report: BystanderReport; findings: string[] }> {
    clearInterval(this.timer);
    await until(() => this.received.has(this.published), PATIENCE_MS, "").catch(() => undefined);
    await Promise.all(this.clients.map((client) => client.close()));
    const sorted = this.ages.sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    const report = {
      published: this.published,
      received: this.received.size,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: at(1),
    };
    const findings = [];
    const missing = this.published - this.received.size;
    if (missing > 0) findings.push(`the bystander missed ${missing} of ${this.published} values`);
    for (const reason of this.ends) findings.push(`a bystander's link ended: ${reason}`);
    if (report.p99Ms > MAX_P99_MS) findings.push(`the bystander's values were ${report.p99Ms} ms old (p99)`);
    return { report, findings };
  }
}

export interface BystanderReport {
  readonly published: number;
  readonly received: number;
  /** Ages at the subscriber, in ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
