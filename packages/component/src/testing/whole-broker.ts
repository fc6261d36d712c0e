import {
  createRawDeflate,
  createRowCodec,
  DEFAULT_LIMITS,
  encodeUpdate,
  type Frame,
  type Value,
} from "@stanzapack/wire";
import { monotonicNow, type Connection } from "@stanzapack/xmpp";
import { pino } from "pino";
import { type Later, whenKnown } from "../base/later.js";
import { createStats } from "../base/stats.js";
import { Broker } from "../broker/broker.js";
import type { Service } from "../catalog/service.js";
import { configSchema, type ComponentLimits } from "../config/config.js";
import { FanOut } from "../fanout/fan-out.js";
import type { ClientLink } from "../links/client-link.js";
import { DEFAULT_CONFIG, type ServiceConfig } from "../options/service-config.js";
import { fakeLink } from "./fake-link.js";

/** A link, and what it received: the types of frames, and the codes of errors. */
export interface OpenLink {
  readonly link: ClientLink;
  readonly out: string[];
}

/** A broker with a real fan-out, whose links have no bytestream. */
export interface WholeBroker {
  readonly broker: Broker;
  /** The component's stream. Tests set `writable`. */
  readonly connection: { writable: boolean };
  /** `own`: what the test replaces of the link. */
  open(jid: string, own?: object): OpenLink;
  offer(link: ClientLink, node: string, config: Partial<ServiceConfig>): Later<Service>;
  /** The publisher's incarnation `incarnation` (default 1) sends these values. The first has the sequence `from`. */
  publish(service: Service, values: readonly Value[], from: number, incarnation?: number): void;
}

const { limits: DEFAULTS } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });

export function createWholeBroker(limits: ComponentLimits = DEFAULTS): WholeBroker {
  const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  const connection = { state: "online", writable: true, on: () => () => undefined, send: () => true };
  const log = pino({ level: "silent" });
  const fanOut = new FanOut(connection as unknown as Connection, createStats(), log);
  let id = 6;
  const broker = new Broker(fanOut, codec, limits, createStats(), () => ++id, log);
  return {
    broker,
    connection,
    open(jid, own = {}) {
      const out: string[] = [];
      const link = fakeLink(jid, {
        sendFrame: (frame: Frame) => out.push(frame.type === "error" ? frame.code : frame.type),
        append: (_: string, isData: boolean) => out.push(isData ? "data" : "status"),
        ...own,
      });
      return { link, out };
    },
    offer(link, node, config) {
      const offered = broker.offers.offer(link, node, { ...DEFAULT_CONFIG, ...config }, monotonicNow());
      return whenKnown(offered, (outcome) => {
        if (!("service" in outcome)) throw new Error("another link has the lease");
        return outcome.service;
      });
    },
    publish(service, values, from, incarnation = 1) {
      const rows = values.map((value) => encodeUpdate(value, DEFAULT_LIMITS));
      const { form, payload } = codec.encode(rows, "plain");
      broker.publishing.publish(
        service,
        {
          ...{ type: "data", alias: 0, form, epoch: incarnation, at: 0, spanMs: 0, payload },
          ...{ from, to: from + values.length - 1 },
        },
        monotonicNow(),
      );
    },
  };
}
