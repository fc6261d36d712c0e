import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { monotonicNow } from "@stanzapack/xmpp";
import type { Service } from "../catalog/service.js";
import { createStats } from "../base/stats.js";
import { valueOf } from "../fanout/row-values.js";
import type { MapKind } from "../kinds/map.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import { known } from "../testing/known.js";
import { createWholeBroker, type OpenLink, type WholeBroker } from "../testing/whole-broker.js";
import { WHOLE } from "@stanzapack/wire";
import { OwnServices } from "./own-services.js";
import type { ComponentRow, ServiceRow } from "./rows.js";

const DOMAIN = "streams.example";
const ASKED: SubscribeOptions = {
  ...{ windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity, cursor: undefined },
};

describe("the component's own services", () => {
  let whole: WholeBroker;
  let own: OwnServices;
  let admin: OpenLink;
  let now: number;

  beforeEach(() => {
    whole = createWholeBroker();
    admin = whole.open("ann@example/desk", { readsMaps: true });
    const stats = createStats();
    const sources = {
      ...{ stats: () => stats, links: () => [], store: () => undefined },
      ...{ freeBytes: () => undefined, roundTripMs: () => undefined },
    };
    own = new OwnServices(DOMAIN, whole.broker, sources, pino({ level: "silent" }));
    now = monotonicNow();
    return () => own.stop();
  });

  const subscribe = ({ link }: OpenLink, name: string, options = ASKED): void =>
    void known(whole.broker.subscriptions.subscribe(link, `${DOMAIN}/${name}`, options, now));
  const serviceOf = (name: string): Service =>
    whole.broker.catalog.services.get(`${DOMAIN}/${name}`) as Service;
  // Longer than the pause behind a look, however slow the machine is.
  const sweep = (): void => own.sweep((now += 600_000));
  const rowOf = (node: string): ServiceRow | undefined => {
    const packed = (serviceOf("services").kind as MapKind).state.get(node);
    return packed === undefined ? undefined : (valueOf(packed) as unknown as ServiceRow);
  };
  const overview = (): ComponentRow | undefined => {
    const { last } = serviceOf("overview").record;
    return last === undefined ? undefined : (valueOf(last.row) as unknown as ComponentRow);
  };

  it("are for administrators alone, and only if there are some", () => {
    own.offerTo([]);
    sweep();
    expect(whole.broker.catalog.services.size).toBe(0);
    own.offerTo(["ann@example"]);
    expect([...whole.broker.catalog.services.keys()].sort()).toEqual([
      ...[`${DOMAIN}/clients`, `${DOMAIN}/overview`, `${DOMAIN}/services`],
    ]);
    subscribe(admin, "overview");
    expect(() => subscribe(whole.open("eve@example/desk"), "overview")).toThrow(
      expect.objectContaining({ code: "not-allowed" }),
    );
    own.offerTo(["bob@example"]);
    expect(serviceOf("overview").subscriptions.size).toBe(0);
    own.offerTo([]);
    expect(whole.broker.catalog.services.size).toBe(0);
  });

  it("tell nothing while nobody subscribes, and forget what they told", () => {
    own.offerTo(["ann@example"]);
    known(whole.offer(whole.open("alice@example/a").link, "alice@example/t", {}));
    sweep();
    expect([overview(), rowOf("alice@example/t")]).toEqual([undefined, undefined]);
    subscribe(admin, "services");
    sweep();
    expect(rowOf("alice@example/t")).toMatchObject({ kind: "value", subscribers: 0 });
    expect(overview()).toBeUndefined();
    for (const subscription of serviceOf("services").subscriptions)
      whole.broker.subscriptions.unsubscribe(subscription);
    sweep();
    expect(rowOf("alice@example/t")).toBeUndefined();
  });

  it("tell what comes in, what goes out, and what it would take as JSON", () => {
    own.offerTo(["ann@example"]);
    const service = known(whole.offer(whole.open("alice@example/a").link, "alice@example/t", {}));
    for (const name of ["bob@example/b", "carol@example/c"]) {
      const { link } = whole.open(name);
      known(whole.broker.subscriptions.subscribe(link, service.node, ASKED, now));
    }
    subscribe(admin, "services");
    subscribe(admin, "overview");
    sweep();
    whole.publish(
      service,
      Array.from({ length: 1_200 }, (_, i) => ({ t: 20.75 + (i % 5) / 4 })),
      1,
    );
    whole.broker["fanOut"].flushAll([service]);
    sweep();
    const json =
      "<message from='alice@example/t' to='bob@example/b' type='headline'><body>{\"t\":21.75}</body></message>";
    expect(rowOf(service.node)).toMatchObject({
      ...{ subscribers: 2, publisher: "alice@example/a", updatesIn: 2, updatesOut: 4, windowMs: 0 },
      jsonChars: 4 * json.length,
    });
    expect(rowOf(service.node)?.at).toBeGreaterThan(Date.now() - 10_000);
    expect(overview()).toMatchObject({ updatesOut: 4, jsonChars: 4 * json.length, services: 4, store: null });
    sweep();
    expect(rowOf(service.node)).toMatchObject({ updatesIn: 0, updatesOut: 0, chars: 0, jsonChars: 0 });
  });

  it("tell first that a map is empty, to those who knew it before a restart", () => {
    own.offerTo(["ann@example"]);
    subscribe(admin, "services");
    sweep();
    const { record, subscriptions } = serviceOf("services");
    expect([record.offset, subscriptions.size]).toEqual([1, 1]);
    sweep();
    expect(record.offset).toBe(1);
  });

  it("come back after somebody removed them, with everything", () => {
    own.offerTo(["ann@example"]);
    known(whole.offer(whole.open("alice@example/a").link, "alice@example/t", {}));
    subscribe(admin, "services");
    sweep();
    void whole.broker.offers.erase(serviceOf("services"));
    sweep();
    subscribe(admin, "services");
    sweep();
    expect(rowOf("alice@example/t")).toBeDefined();
  });

  it("leave out the quietest rows beyond a thousand", () => {
    own.offerTo(["ann@example"]);
    for (let i = 0; i < 1_100; i++) {
      const owner = `u${i}@example`;
      known(whole.offer(whole.open(`${owner}/a`).link, `${owner}/t`, {}));
    }
    const busy = whole.broker.catalog.services.get("u1050@example/t") as Service;
    subscribe(admin, "services");
    sweep();
    whole.publish(
      busy,
      Array.from({ length: 3_000 }, () => 1),
      1,
    );
    sweep();
    expect((serviceOf("services").kind as MapKind).state.keys).toBe(1_000);
    expect(rowOf("u1050@example/t")).toMatchObject({ updatesIn: 5 });
  });
});
