import {
  createRawDeflate,
  createRowCodec,
  DEFAULT_LIMITS,
  encodeUpdate,
  WHOLE,
  type CodedFrame,
  type DataFrame,
  type Selection,
} from "@stanzapack/wire";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { Broker } from "../broker/broker.js";
import { fakeLink } from "../testing/fake-link.js";
import { configSchema } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import { known } from "../testing/known.js";
import { DEFAULT_CONFIG } from "../options/service-config.js";
import type { ServiceConfig } from "../options/service-config.js";
import { createStats } from "../base/stats.js";

const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });
const NODE = "alice@x/t";
const rows = createRowCodec(DEFAULT_LIMITS, createRawDeflate());

function setUp() {
  const nothing = new Proxy({}, { get: () => vi.fn() }) as FanOut;
  const broker = new Broker(nothing, rows, limits, createStats(), () => 7, pino({ level: "silent" }));
  const alice = fakeLink("alice@x/1");
  const offer = (config: Partial<ServiceConfig>) => {
    const outcome = known(broker.offers.offer(alice, NODE, { ...DEFAULT_CONFIG, ...config }, 0));
    if (!("service" in outcome)) throw new Error("held");
    return outcome.service;
  };
  const service = offer({ opaque: true });
  const publish = (frame: DataFrame | CodedFrame): void => broker.publishing.publish(service, frame, 0);
  const subscribe = (selection: Partial<Selection>): unknown =>
    void broker.subscriptions.subscribe(
      fakeLink("bob@x/1"),
      NODE,
      { windowMs: 0, selection: { ...WHOLE, ...selection }, since: undefined, credit: Infinity },
      0,
    );
  return { offer, service, publish, subscribe };
}

const head = { type: "data", alias: 0, epoch: 1, from: 1, to: 2, at: 0, spanMs: 0 } as const;
const packed = (...values: unknown[]): Uint8Array[] =>
  values.map((value) => encodeUpdate(value, DEFAULT_LIMITS));
const bytes = new Uint8Array(300).fill(7);

describe("an opaque service", () => {
  it("takes byte strings, as rows", () => {
    const { service, publish } = setUp();
    const payload = Buffer.concat(packed(bytes, new Uint8Array(0)));
    publish({ ...head, form: "rows", payload });
    expect(service.record.offset).toBe(2);
    expect(service.record.last?.row).toEqual(Uint8Array.of(0xc4, 0));
  });

  it("refuses rows of anything else, and forms that the component would have to look into", () => {
    const malformed = expect.objectContaining({ code: "malformed", origin: "peer" }) as Error;
    for (const values of [
      ["text", bytes],
      [bytes, null],
      [bytes, [bytes]],
      [bytes, { b: bytes }],
    ]) {
      const { publish, service } = setUp();
      const payload = Buffer.concat(packed(...values));
      expect(() => publish({ ...head, form: "rows", payload })).toThrow(malformed);
      expect(service.record.offset).toBe(0);
    }
    const { publish } = setUp();
    const deflated = rows.encode(packed(bytes, bytes), "plain");
    expect(deflated.form).toBe("deflated");
    expect(() => publish({ ...head, ...deflated })).toThrow(malformed);
    const coded = {
      type: "coded",
      form: "independent",
      alias: 0,
      epoch: 1,
      from: 1,
      payload: bytes,
    } as const;
    expect(() => publish(coded)).toThrow(malformed);
  });

  it("cannot become one of another kind, nor the other way round", () => {
    const { offer } = setUp();
    expect(offer({ opaque: true }).config.opaque).toBe(true);
    expect(() => offer({})).toThrow(expect.objectContaining({ code: "conflict" }));
  });

  it("is not looked into for a subscriber", () => {
    const { subscribe } = setUp();
    const refused = expect.objectContaining({ code: "invalid-options" }) as Error;
    expect(() => subscribe({ fields: ["a"] })).toThrow(refused);
    expect(() => subscribe({ deadband: 0 })).toThrow(refused);
    expect(() => subscribe({ samples: "latest", maxRate: 5, heartbeatMs: 1_000 })).not.toThrow();
  });
});
