import { context, SpanKind, trace as api } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider, type SpanExporter } from "@opentelemetry/sdk-trace";
import { wallAheadMs } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { VERSION } from "../base/version.js";
import type { UpdateTrace } from "./update-trace.js";

/** How often spans are sent, and how long a request may take, in ms. */
const EVERY_MS = 5_000;
const TIMEOUT_MS = 5_000;
/** Most spans that wait. Beyond, new ones are dropped. */
const MAX_WAITING = 2_048;
/** Longest wait for the last spans at a stop, in ms. */
const LAST_MS = 2_000;

/** Sends spans to a collector. */
export interface SpanSink {
  /** Takes one way: a span `update`, and a span below it for each stage. */
  readonly take: (trace: UpdateTrace) => void;
  /** Sends what waits, for at most two seconds. */
  stop(): Promise<void>;
}

/**
 * Creates a sink for OTLP over HTTP (OpenTelemetry Protocol 1.5, §OTLP/HTTP). A collector that is away is logged once
 * until it is back, and its spans are lost: nothing waits for it.
 */
export function createOtlpSink(endpoint: string, domain: string, log: Logger): SpanSink {
  const exporter = new OTLPTraceExporter({ url: endpoint, timeoutMillis: TIMEOUT_MS });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": "stanzapack",
      "service.version": VERSION,
      "service.instance.id": domain,
    }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: reporting(exporter, endpoint, log),
        maxQueueSize: MAX_WAITING,
        scheduledDelayMillis: EVERY_MS,
      }),
    ],
  });
  const tracer = provider.getTracer("stanzapack", VERSION);
  return {
    take({ startedAt, endedAt, attributes, stages }) {
      const ahead = wallAheadMs();
      const root = tracer.startSpan(
        "update",
        { kind: SpanKind.CONSUMER, startTime: startedAt + ahead, attributes },
        context.active(),
      );
      const below = api.setSpan(context.active(), root);
      for (const { stage, from, to } of stages)
        tracer.startSpan(stage, { startTime: from + ahead }, below).end(to + ahead);
      root.end(endedAt + ahead);
    },
    async stop() {
      const late = new Promise<void>((resolve) => setTimeout(resolve, LAST_MS).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

/** Logs the first failure, and the first success after it. */
function reporting(exporter: SpanExporter, endpoint: string, log: Logger): SpanExporter {
  let isAway = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined;
        if (failed && !isAway)
          log.warn({ endpoint, reason: result.error?.message }, "the collector of spans does not take them");
        if (!failed && isAway) log.info({ endpoint }, "the collector of spans takes them again");
        isAway = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
