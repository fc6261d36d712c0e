import {
  createRowCodec,
  DataReader,
  decodeBlock,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  LaneEncoder,
  encodeUpdate,
  readSnapshot,
  WHOLE,
  type Frame,
  type Value,
} from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import { expect, it } from "vitest";
import { createWholeBroker, type WholeBroker } from "../testing/whole-broker.js";

const NODE = "alice@x/fleet";
const codec = createRowCodec(DEFAULT_LIMITS);
/** A poll soon sees what comes within a tick. */
const SOON = { interval: 5 };
const FORMAT = { delivery: "link", sizeClass: 65_535, deflates: false, hop: "plain" } as const;

/** A subscriber that keeps its copy of the map by what its link receives, and notes the forms of DATA. */
function subscribe(whole: WholeBroker, jid: string, codesMaps: boolean) {
  const map = new Map<string, Value>();
  const forms: string[] = [];
  const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, codec);
  const take = (frame: Frame): void => {
    if (frame.type === "snapshot") {
      for (const { key, value } of readSnapshot(frame, DEFAULT_LIMITS, DEFAULT_CODEC_LIMITS))
        map.set(key, value as Value);
    }
    if (frame.type !== "data" && frame.type !== "coded") return;
    forms.push(frame.form);
    for (const row of reader.read(frame, true)?.rows ?? [])
      for (const [key, value] of row as [string, Value][]) map.set(key, value);
  };
  const { link } = whole.open(jid, {
    ...{ format: { ...FORMAT, coded: true, codesMaps }, readsMaps: true },
    append(base64: string, isData: boolean) {
      if (isData) decodeBlock(Buffer.from(base64, "base64"), DEFAULT_LIMITS).forEach(take);
    },
  });
  const asked = { windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity };
  void whole.broker.subscriptions.subscribe(link, NODE, asked, monotonicNow());
  return { map, forms };
}

it("codes a map key by key for those who read that, once for all of them", async () => {
  const whole = createWholeBroker();
  const service = await whole.offer(whole.open("alice@x/1").link, NODE, { kind: "map" });
  whole.publish(service, [[["a", 1]]], 1);
  const readers = [subscribe(whole, "bob@x/1", true), subscribe(whole, "carol@x/1", true)];
  const old = subscribe(whole, "dave@x/1", false);
  await expect.poll(() => [...readers, old].map(({ map }) => map.get("a")), SOON).toEqual([1, 1, 1]);
  for (let i = 2; i < 12; i++) {
    whole.publish(service, [[[i % 2 === 0 ? "a" : "b", i]]], i);
    await expect
      .poll(() => [...readers, old].map(({ map }) => map.get(i % 2 === 0 ? "a" : "b")), SOON)
      .toEqual([i, i, i]);
  }
  expect(service.lanes.size).toBe(2);
  for (const { forms } of readers) {
    expect(new Set(forms)).toEqual(new Set(["map", "chained"]));
    expect(forms.filter((form) => form === "map")).toHaveLength(1);
  }
  expect(new Set(old.forms)).toEqual(new Set(["key", "chained"]));
  whole.broker.stop();
});

it("reads a map that its publisher coded key by key", async () => {
  const whole = createWholeBroker();
  const service = await whole.offer(whole.open("alice@x/1").link, NODE, { kind: "map" });
  const { map } = subscribe(whole, "bob@x/1", true);
  const encoder = new LaneEncoder({ limits: DEFAULT_CODEC_LIMITS, rows: codec, hop: "plain", isMap: true });
  for (let i = 1; i < 20; i++) {
    const rows: Value[] = [[[`k${i % 3}`, { n: i, at: [i, 2 * i] }]]];
    const packed = rows.map((row) => encodeUpdate(row, DEFAULT_LIMITS));
    const body = encoder.encode({ ...{ epoch: 1, from: i, to: i, at: 0, spanMs: 0 }, rows, packed }, i, 5);
    if ("to" in body) throw new Error("the body is coded");
    expect(body.form).toBe(i === 1 ? "map" : "chained");
    whole.broker.publishing.publish(service, { type: "coded", alias: 0, ...body }, monotonicNow());
  }
  await expect
    .poll(() => Object.fromEntries(map), SOON)
    .toEqual({
      k0: { n: 18, at: [18, 36] },
      k1: { n: 19, at: [19, 38] },
      k2: { n: 17, at: [17, 34] },
    });
  whole.broker.stop();
});
