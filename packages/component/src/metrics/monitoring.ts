import { monotonicNow, type Connection } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { createMetrics, type Metrics } from "./metrics.js";
import type { MetricSources } from "./sources.js";
import { StatusServer, type StatusAddress } from "./status-server.js";

/** Time between two measurements of the round trip to the server, in ms. */
const ROUND_TRIP_MS = 10_000;

/** A line of `/ready`: the component runs, and is not connected. */
export const STREAM_DOWN = "the stream to the XMPP server is down";

/** The metrics of a component, the server of their pages, and the measurements that only metrics need. */
export class Monitoring {
  private readonly metrics: Metrics;
  private readonly server: StatusServer;
  private timer: NodeJS.Timeout | undefined;
  private measuring = false;

  constructor(
    address: StatusAddress,
    private readonly sources: MetricSources,
    private readonly connection: Pick<Connection, "probe" | "echoes">,
    log: Logger,
  ) {
    this.metrics = createMetrics(sources);
    this.server = new StatusServer(
      address,
      {
        metrics: async () => ({ text: await this.metrics.text(), contentType: this.metrics.contentType }),
        problems: () => this.problems(),
      },
      log,
    );
  }

  /** Resolves when the pages can be read. Rejects with `unreachable` if their port is taken. */
  async start(): Promise<void> {
    await this.server.start();
    this.timer ??= setInterval(() => void this.measureRoundTrip(), ROUND_TRIP_MS).unref();
  }

  /** Stops measuring, and closes the pages. Idempotent. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.server.stop();
  }

  /** Records the time of a commit of the store, in ms. */
  readonly committed = (ms: number): void => this.metrics.committed(ms);

  /** The port of the pages. */
  get port(): number {
    return this.server.port;
  }

  private problems(): string[] {
    const problems: string[] = [];
    if (!this.sources.online()) problems.push(STREAM_DOWN);
    const problem = this.sources.store()?.problem;
    if (problem !== undefined) problems.push(`the store cannot write: ${problem}`);
    return problems;
  }

  private async measureRoundTrip(): Promise<void> {
    // A server that does not answer has one probe at a time.
    if (this.measuring || !this.sources.online() || !this.connection.echoes) return;
    this.measuring = true;
    const askedAt = monotonicNow();
    const came = await this.connection.probe();
    this.measuring = false;
    if (came) this.metrics.roundTrip(monotonicNow() - askedAt);
  }
}
