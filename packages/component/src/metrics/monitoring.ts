import type { Logger } from "pino";
import { createMetrics, type Metrics } from "./metrics.js";
import type { RoundTrip } from "./round-trip.js";
import type { MetricSources } from "./sources.js";
import { StatusServer, type StatusAddress } from "./status-server.js";

/** A line of `/ready`: the component runs, and is not connected. */
export const STREAM_DOWN = "the stream to the XMPP server is down";

/** The metrics of a component, and the server of their pages. */
export class Monitoring {
  private readonly metrics: Metrics;
  private readonly server: StatusServer;

  constructor(
    address: StatusAddress,
    private readonly sources: MetricSources,
    roundTrip: RoundTrip,
    log: Logger,
  ) {
    this.metrics = createMetrics(sources);
    roundTrip.onMeasured = (ms) => this.metrics.roundTrip(ms);
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
  }

  /** Closes the pages. Idempotent. */
  async stop(): Promise<void> {
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
    const nodeProblem = this.sources.nodeProblem?.();
    if (nodeProblem !== undefined) problems.push(nodeProblem);
    return problems;
  }
}
