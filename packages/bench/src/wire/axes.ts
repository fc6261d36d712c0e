import { grantWindow, StanzapackError } from "@stanzapack/wire";
import { WORKLOADS, type WorkloadId } from "./workloads.js";

export const WIRE_SERVERS = ["prosody", "ejabberd"] as const;
export const WIRE_TRANSPORTS = ["tcp", "websocket", "bosh"] as const;
export const WIRE_COMPRESSIONS = ["none", "zlib", "gzip"] as const;
/** Forms in the order of a cell's rows; ours is first. */
export const WIRE_FORMS = ["stanzapack", "msgpack-ibb", "json-body", "json-batch"] as const;
/** Windows in ms. */
export const WIRE_WINDOWS_MS = [0, 100, 1_000] as const;

export type WireServer = (typeof WIRE_SERVERS)[number];
export type WireTransport = (typeof WIRE_TRANSPORTS)[number];
export type WireCompression = (typeof WIRE_COMPRESSIONS)[number];
export type WireForm = (typeof WIRE_FORMS)[number];

/** What to measure: everything, or only the named values. */
export interface WireSelection {
  readonly servers?: readonly WireServer[];
  readonly transports?: readonly WireTransport[];
  readonly compressions?: readonly WireCompression[];
  readonly workloads?: readonly WorkloadId[];
  readonly windowsMs?: readonly number[];
  readonly forms?: readonly WireForm[];
}

/** How the subscribers of a batch reach their server. */
export interface Hop {
  readonly server: WireServer;
  readonly transport: WireTransport;
  readonly compression: WireCompression;
}

/** Cells that are measured at the same time. Each form of each workload has its own connection. */
export interface Batch {
  readonly hop: Hop;
  readonly windowMs: number;
  readonly workloads: readonly WorkloadId[];
  readonly forms: readonly WireForm[];
}

/**
 * Most connections at once, each with its own process. On two processors, more processes would wait for each other, and
 * the ages would describe this machine only.
 */
const MAX_CONNECTIONS = 32;

/** `zlib` is XEP-0138, for TCP streams only. `gzip` is HTTP's, by the proxy in front of BOSH. WebSocket has neither. */
function isOffered({ transport, compression }: Hop): boolean {
  switch (compression) {
    case "none":
      return true;
    case "zlib":
      return transport === "tcp";
    case "gzip":
      return transport === "bosh";
  }
}

/** Everything to measure, in the order of the rows. Throws `usage` if the selection is empty. */
export function planBatches(selection: WireSelection): Batch[] {
  const { windowsMs = WIRE_WINDOWS_MS } = selection;
  for (const windowMs of windowsMs)
    if (grantWindow(windowMs) !== windowMs)
      throw new StanzapackError(
        "usage",
        `${windowMs} ms is not a window: windows are 0, 100, 200, 500, 1000, … ms`,
      );
  const workloads = inOrder(WORKLOADS, selection.workloads);
  const forms = inOrder(WIRE_FORMS, selection.forms);
  const perBatch = Math.max(1, Math.floor(MAX_CONNECTIONS / forms.length));
  const hops = inOrder(WIRE_SERVERS, selection.servers).flatMap((server) =>
    inOrder(WIRE_TRANSPORTS, selection.transports).flatMap((transport) =>
      inOrder(WIRE_COMPRESSIONS, selection.compressions).map((compression): Hop => {
        return { server, transport, compression };
      }),
    ),
  );
  const batches = hops
    .filter(isOffered)
    .flatMap((hop) =>
      [...new Set(windowsMs)].flatMap((windowMs) =>
        chunks(workloads, perBatch).map((chunk): Batch => ({ hop, windowMs, workloads: chunk, forms })),
      ),
    );
  if (batches.length === 0)
    throw new StanzapackError("usage", "nothing to measure: zlib needs tcp, and gzip needs bosh");
  return batches;
}

function inOrder<T>(all: readonly T[], wanted: readonly T[] | undefined): readonly T[] {
  return wanted === undefined ? all : all.filter((item) => wanted.includes(item));
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

export function formatHop({ server, transport, compression }: Hop): string {
  return `${server}, ${transport}, ${compression === "none" ? "no compression" : compression}`;
}
