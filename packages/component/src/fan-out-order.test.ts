import type { Connection } from "@stanzapack/xmpp";
import { pino } from "pino";
import { expect, it, vi } from "vitest";
import type { ClientLink } from "./client-link.js";
import { FanOut } from "./fan-out.js";
import type { Lane } from "./lane.js";
import { createStats } from "./stats.js";

it("codes large batches after the others of their tick, and those have left by then", async () => {
  const events: string[] = [];
  const connection = {
    state: "online",
    writable: true,
    on: () => () => undefined,
    send: (text: string) => events.push(`wrote ${text}`),
  } as unknown as Connection;
  const fanOut = new FanOut(connection, createStats(), pino({ level: "silent" }));
  fanOut.onCost = (bareJid) => events.push(`charged ${bareJid}`);
  const lane = (name: string, rows: number): Lane => {
    let text = "";
    const link = {
      maySendData: true,
      session: { unacked: 0 },
      append: (base64: string) => {
        text = base64;
        fanOut.linkPending(link);
      },
      takeStanzas: () => [text],
    } as unknown as ClientLink;
    const subscription = {
      ...{ link, hasCredit: true },
      send: ({ base64 }: { base64: string }) => link.append(`${name} ${base64}`, true),
    };
    const lane = {
      ...{ windowMs: 100, active: true, lastFlushAt: -Infinity, settle: () => undefined },
      opensAt: 0 as number | undefined,
      batch: { rows, empty: false },
      attached: new Set([subscription]),
      joining: new Set(),
      service: { publisher: { link: { bareJid: `${name}@x` } } },
      encode: () => {
        lane.opensAt = undefined;
        return [{ body: { form: "chained", base64: `${rows}` }, independent: undefined }];
      },
    };
    return lane as unknown as Lane;
  };
  const now = Date.now();
  for (const it of [lane("flood", 1_000), lane("some", 10), lane("few", 1)]) fanOut.book(it, now, true);
  await vi.waitFor(() => expect(events).toHaveLength(5), 5_000);
  expect(events).toEqual([
    "charged some@x",
    "charged few@x",
    "wrote some 10few 1",
    "charged flood@x",
    "wrote flood 1000",
  ]);
  fanOut.stop();
});
