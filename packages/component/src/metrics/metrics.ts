import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { StoreUsage } from "../store/store.js";
import type { MetricSources, Survey } from "./sources.js";

/** Upper bounds of a histogram's buckets, in seconds: from a quick disk to a server that does not answer. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface Metrics {
  /** The text of all metrics, in Prometheus's text format 0.0.4. */
  text(): Promise<string>;
  readonly contentType: string;
  /** Records the time of a message to the server and back, in ms. */
  roundTrip(ms: number): void;
  /** Records the time of a commit of the store, in ms. */
  committed(ms: number): void;
}

type Labelled = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
type Value = number | Labelled;

/**
 * The metrics of one component. Names begin with `stanzapack_`. Units are Prometheus's base units: seconds and bytes.
 * The process's own metrics (`process_`, `nodejs_`) are those of prom-client, among them the lag of the event loop. No
 * label names a user or a service, so the number of series does not grow with users and services.
 */
export function createMetrics({ stats, survey, online, cursors, memory, store }: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // A scrape looks at all links and services once, and at the store once.
  let surveyed: Survey | undefined;
  const seen = (): Survey => (surveyed ??= survey());
  let used: StoreUsage | undefined;
  const stored = (): StoreUsage | undefined => (used ??= store());

  const gauge = (
    name: string,
    help: string,
    read: () => Value | undefined,
    labelNames: string[] = [],
  ): void => {
    new Gauge({
      ...{ name: `stanzapack_${name}`, help, labelNames, registers },
      collect() {
        this.reset();
        each(read(), (labels, value) => this.set(labels, value));
      },
    });
  };
  /** `read` returns the count since the process began. */
  const counter = (
    name: string,
    help: string,
    read: () => Value | undefined,
    labelNames: string[] = [],
  ): void => {
    new Counter({
      ...{ name: `stanzapack_${name}_total`, help, labelNames, registers },
      collect() {
        this.reset();
        each(read(), (labels, value) => this.inc(labels, value));
      },
    });
  };
  const histogram = (name: string, help: string): Histogram =>
    new Histogram({ name: `stanzapack_${name}_seconds`, help, buckets: SECONDS, registers });

  gauge("server_connected", "1: the stream to the XMPP server is up. Otherwise 0.", () => (online() ? 1 : 0));
  const roundTrips = histogram(
    "server_round_trip",
    "Time of a message from the component to its server and back, measured every 10 s. A slow server shows here first.",
  );

  gauge(
    "links",
    "Open links, by the envelope of the updates that they receive",
    () => labelled("envelope", seen().links),
    ["envelope"],
  );
  gauge(
    "links_suspended",
    "Links that receive no data, because the client's server is away or busy",
    () => seen().suspendedLinks,
  );
  gauge(
    "unacknowledged_age_seconds",
    "Longest time for which data on a link has waited for an acknowledgement",
    () => seen().oldestUnackedMs / 1_000,
  );
  counter("links_ended", "Links that ended, for any reason", () => stats().linksEnded);
  counter(
    "subscriptions_resumed",
    "Subscriptions restored on a new link by a resume token",
    () => stats().resumed,
  );

  gauge(
    "services",
    "Services by kind, and whether their publisher is online",
    () => seen().services.map(({ kind, online: on, count }) => [{ kind, online: String(on) }, count]),
    ["kind", "online"],
  );
  gauge(
    "subscriptions",
    "Subscriptions, by the way in which their updates leave. The only way is a link.",
    () => [...seen().subscriptions].map(([delivery, count]) => [{ delivery }, count]),
    ["delivery"],
  );
  gauge(
    "subscriptions_waiting",
    "Detached subscriptions, by what they wait for. `acknowledgement` includes those that catch up with a log or map.",
    () => {
      const { credit, room } = seen().waiting;
      return [
        [{ for: "credit" }, credit],
        [{ for: "acknowledgement" }, room],
      ];
    },
    ["for"],
  );
  counter(
    "detachments",
    "Times that a subscription began to wait for credit or for acknowledgements",
    () => stats().detachments,
  );
  gauge("cursors", "Named cursors", cursors);
  gauge("calls_waiting", "Calls that wait for their results", () => stats().calls);
  gauge(
    "approvals_waiting",
    "Requests to subscribe that wait for a publisher's approval",
    () => stats().pendingApprovals,
  );

  gauge("lanes", "Lanes. The component encodes a batch once for each lane.", () => stats().lanes);
  gauge("lane_memory_bytes", "Memory of the encoders of all lanes", () => memory().lanes);
  gauge("log_memory_bytes", "Memory of logs that are in no store", () => memory().logs);
  gauge("map_memory_bytes", "Bytes of all maps, as their limits count them", () => memory().maps);
  gauge(
    "lane_rows_waiting",
    "Rows that wait in lanes for the end of their window or for the server",
    () => seen().waitingRows.count,
  );
  gauge("lane_bytes_waiting", "Bytes of the rows that wait in lanes", () => seen().waitingRows.bytes);
  gauge(
    "lane_age_seconds",
    "Age of the oldest row that waits in a lane",
    () => seen().waitingRows.oldestMs / 1_000,
  );

  counter("updates_received", "Updates received from publishers", () => stats().updatesIn);
  counter(
    "positions_lost",
    "Updates that publishers declared lost. Subscribers receive the range of their positions.",
    () => stats().positionsLost,
  );
  counter(
    "store_positions_lost",
    "Updates that the store has lost, or may have lost, by a crash or a damage. Subscribers are told.",
    () => stats().storeLost,
  );
  counter(
    "updates_conflated",
    "Updates that a subscriber did not receive: conflated, or left out by its selection. Each subscriber counts.",
    () => stats().rowsConflated,
  );
  counter("stanzas_sent", "Stanzas sent on links", () => stats().stanzasSent);
  counter("data_stanzas_sent", "Stanzas with data sent on links", () => stats().dataStanzasSent);
  counter("writes", "Writes of links' stanzas to the server's socket", () => stats().writes);
  counter(
    "sent_bytes",
    "Bytes of stanzas sent on links, by envelope",
    () => labelled("envelope", stats().sentChars),
    ["envelope"],
  );
  counter(
    "encoded_bytes",
    "Bytes of encoded bodies in base64, by the body's form. A body counts once, whatever number of links receives it.",
    () => labelled("form", stats().bodyChars),
    ["form"],
  );
  counter(
    "encodings",
    "Bodies encoded for a whole lane, or for a single subscriber",
    () => [
      [{ for: "lane" }, stats().laneEncodes],
      [{ for: "single" }, stats().singleEncodes],
    ],
    ["for"],
  );
  counter(
    "flush_seconds",
    "Time in which the component encoded the bodies of lanes and handed them to links",
    () => stats().flushMs / 1_000,
  );
  counter(
    "frames_received",
    "Frames from clients, by type. Acknowledgements are left out.",
    () => {
      const { ack: _, ...others } = stats().framesReceived;
      return labelled("type", others);
    },
    ["type"],
  );
  counter(
    "map_ranges_repaired",
    "Parts of maps that were sent again, because a replica differed",
    () => stats().rangesRepaired,
  );
  counter(
    "maps_resent",
    "Whole maps that were sent again, because a replica differed",
    () => stats().mapsResent,
  );

  counter(
    "refusals",
    "Requests, opens of links and frames refused, by error code or stanza error",
    () => labelled("reason", stats().refusedFor),
    ["reason"],
  );
  counter(
    "throttled",
    "Requests and opens of links that were refused with a time to retry, because too many came at once",
    () => stats().throttled,
  );
  counter(
    "slowdowns",
    "Times that a link was slowed down because it published beyond its budget",
    () => stats().slowdowns,
  );
  counter("cutoffs", "Times that an account was cut off", () => stats().cutOffs);
  counter(
    "over_quota",
    "Requests refused because an account, a domain, or all together had all that they may have",
    () => stats().overQuota,
  );
  counter("strays", "Stanzas that fit no link of their sender", () => stats().strays);
  counter("hold_ups", "Hold-ups of the process that took over half a second", () => stats().holdUps);
  counter("held_up_seconds", "Length of all hold-ups together", () => stats().heldUpMs / 1_000);

  gauge(
    "journal_bytes",
    "Bytes of the updates that logs keep. 0 without a store.",
    () => stored()?.journalBytes,
  );
  gauge("store_file_bytes", "Bytes of the store's file", () => stored()?.fileBytes);
  gauge(
    "store_unwritten_bytes",
    "Bytes that the store has not yet written to the disk",
    () => stored()?.unwrittenBytes,
  );
  gauge(
    "store_failing",
    "1: the last commit of the store failed, perhaps because the disk is full. Otherwise 0.",
    () => {
      const usage = stored();
      return usage && (usage.problem === undefined ? 0 : 1);
    },
  );
  const commits = histogram("store_commit", "Time of one commit of the store, until it is on the disk");

  return {
    contentType: registry.contentType,
    async text() {
      surveyed = used = undefined;
      return (await processRegistry().metrics()) + (await registry.metrics());
    },
    roundTrip: (ms) => roundTrips.observe(ms / 1_000),
    committed: (ms) => commits.observe(ms / 1_000),
  };
}

let ofProcess: Registry | undefined;

/** The metrics of the process. Its observers cannot be stopped, so all components of a process share one registry. */
function processRegistry(): Registry {
  if (ofProcess === undefined) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess });
  }
  return ofProcess;
}

function labelled(name: string, counts: Readonly<Record<string, number | undefined>>): Labelled {
  return Object.entries(counts).map(([key, value = 0]) => [{ [name]: key }, value]);
}

function each(value: Value | undefined, set: (labels: Record<string, string>, value: number) => void): void {
  if (value === undefined) return;
  if (typeof value === "number") return set({}, value);
  for (const [labels, count] of value) set(labels, count);
}
