import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { MetricSources, Survey } from "./sources.js";

/** Upper bounds of the classes of durations, in seconds: from a quick disk to a server that stands still. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface Metrics {
  /** The text of all metrics, in Prometheus's text format 0.0.4. */
  text(): Promise<string>;
  readonly contentType: string;
  /** A message to ourselves took this long to the server and back, in ms. */
  roundTrip(ms: number): void;
  /** A commit of the store took this long, in ms. */
  committed(ms: number): void;
}

type Labelled = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
type Value = number | Labelled;

/**
 * The metrics of one component. Names begin with `stanzapack_`, and have Prometheus's base units: seconds and bytes.
 * The process's own metrics (`process_`, `nodejs_`) are those of prom-client, among them the lag of the event loop. No
 * label has the name of a user or of a service, so the number of series does not grow with them.
 */
export function createMetrics({ stats, survey, online, cursors, laneBytes, store }: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  // One survey for all metrics of a scrape.
  let surveyed: Survey | undefined;
  const seen = (): Survey => (surveyed ??= survey());

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
  /** `read` returns the count since the start, which `stats` keeps. */
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

  gauge("server_connected", "1: the stream to the XMPP server is up", () => (online() ? 1 : 0));
  const roundTrips = histogram(
    "server_round_trip",
    "Time of a message from the component to its server and back. A slow server shows here first.",
  );

  gauge(
    "links",
    "Open links, by the envelope of the updates sent to them",
    () => labelled("envelope", seen().links),
    ["envelope"],
  );
  gauge(
    "links_suspended",
    "Links that get no data, since the client's server is away or busy",
    () => seen().suspendedLinks,
  );
  gauge(
    "unacknowledged_age_seconds",
    "Age of the oldest stanza with data that a client has not acknowledged",
    () => seen().oldestUnackedMs / 1_000,
  );
  counter("links_ended", "Links that ended, for any reason", () => stats().linksEnded);
  counter("subscriptions_resumed", "Subscriptions restored on a new link by a token", () => stats().resumed);

  gauge(
    "services",
    "Services by kind, and whether their publisher is online",
    () => seen().services.map(({ kind, online: on, count }) => [{ kind, online: String(on) }, count]),
    ["kind", "online"],
  );
  gauge(
    "subscriptions",
    "Subscriptions by delivery",
    () => [...seen().subscriptions].map(([delivery, count]) => [{ delivery }, count]),
    ["delivery"],
  );
  gauge(
    "subscriptions_waiting",
    "Subscriptions that get nothing now: they wait for credit of their consumer, or for acknowledgements of their client",
    () => {
      const { credit, room } = seen().waiting;
      return [
        [{ for: "credit" }, credit],
        [{ for: "acknowledgement" }, room],
      ];
    },
    ["for"],
  );
  counter("detachments", "Times that a subscription began to wait", () => stats().detachments);
  gauge("cursors", "Named cursors", cursors);
  gauge("calls_waiting", "Calls that wait for their results", () => stats().calls);
  gauge("approvals_waiting", "Requests that wait for a publisher's approval", () => stats().pendingApprovals);

  gauge("lanes", "Lanes: each encodes once for all its subscribers", () => stats().lanes);
  gauge("lane_memory_bytes", "Memory of the encoders of all lanes", laneBytes);
  gauge(
    "lane_rows_waiting",
    "Rows that wait in lanes for their window or for the server",
    () => seen().waitingRows.count,
  );
  gauge("lane_bytes_waiting", "Bytes of these rows", () => seen().waitingRows.bytes);
  gauge("lane_age_seconds", "Age of the oldest of these rows", () => seen().waitingRows.oldestMs / 1_000);

  counter("updates_received", "Updates from publishers", () => stats().updatesIn);
  counter(
    "positions_lost",
    "Updates that were lost before they reached subscribers. Subscribers were told.",
    () => stats().positionsLost,
  );
  counter(
    "updates_conflated",
    "Updates that a subscriber did not get on its own: conflated, or left out by its selection",
    () => stats().rowsConflated,
  );
  counter("stanzas_sent", "Link stanzas sent", () => stats().stanzasSent);
  counter("data_stanzas_sent", "Link stanzas with data sent", () => stats().dataStanzasSent);
  counter("writes", "Writes to the server's socket", () => stats().writes);
  counter(
    "sent_bytes",
    "Bytes of link stanzas sent, by envelope",
    () => labelled("envelope", stats().sentChars),
    ["envelope"],
  );
  counter(
    "encoded_bytes",
    "Bytes of update bodies encoded (base64), by form. Each body goes to all subscribers of its lane.",
    () => labelled("form", stats().bodyChars),
    ["form"],
  );
  counter(
    "encodings",
    "Bodies encoded: for a lane, or for a single subscriber",
    () => [
      [{ for: "lane" }, stats().laneEncodes],
      [{ for: "single" }, stats().singleEncodes],
    ],
    ["for"],
  );
  counter(
    "flush_seconds",
    "Time of encoding due lanes and giving bodies to links",
    () => stats().flushMs / 1_000,
  );
  counter(
    "frames_received",
    "Frames from clients that are no acknowledgements, by type",
    () => {
      const { ack: _, ...others } = stats().framesReceived;
      return labelled("type", others);
    },
    ["type"],
  );
  counter(
    "map_ranges_repaired",
    "Parts of maps that were sent again, since a replica differed",
    () => stats().rangesRepaired,
  );
  counter(
    "maps_resent",
    "Whole maps that were sent again, since a replica differed",
    () => stats().mapsResent,
  );

  counter(
    "refusals",
    "Requests, opens and frames refused, by reason",
    () => labelled("reason", stats().refusedFor),
    ["reason"],
  );
  counter("throttled", "Requests refused with a time to retry", () => stats().throttled);
  counter("slowdowns", "Times that a publishing link was slowed down", () => stats().slowdowns);
  counter("cutoffs", "Times that an account was cut off for a while", () => stats().cutOffs);
  counter(
    "over_quota",
    "Requests refused since an account had all that it may have",
    () => stats().overQuota,
  );
  counter("strays", "Stanzas that fit no link", () => stats().strays);
  counter("hold_ups", "Times that this process was held up for over half a second", () => stats().holdUps);
  counter("held_up_seconds", "Length of these times", () => stats().heldUpMs / 1_000);

  gauge("journal_bytes", "Bytes of the updates that logs keep", () => store()?.journalBytes);
  gauge("store_file_bytes", "Bytes of the store's file", () => store()?.fileBytes);
  gauge("store_unwritten_bytes", "Bytes that wait for the disk", () => store()?.unwrittenBytes);
  gauge("store_failing", "1: the last commit of the store failed, perhaps since the disk is full", () => {
    const usage = store();
    return usage && (usage.problem === undefined ? 0 : 1);
  });
  const commits = histogram("store_commit", "Time until a commit of the store is on the disk");

  return {
    contentType: registry.contentType,
    async text() {
      surveyed = undefined;
      return registry.metrics();
    },
    roundTrip: (ms) => roundTrips.observe(ms / 1_000),
    committed: (ms) => commits.observe(ms / 1_000),
  };
}

function labelled(name: string, counts: Readonly<Record<string, number | undefined>>): Labelled {
  return Object.entries(counts).map(([key, value = 0]) => [{ [name]: key }, value]);
}

function each(value: Value | undefined, set: (labels: Record<string, string>, value: number) => void): void {
  if (value === undefined) return;
  if (typeof value === "number") return set({}, value);
  for (const [labels, count] of value) set(labels, count);
}
