// Writes into a store of the component until the test kills it, and says what it was promised. The text of each row is
// its offset.
import { setImmediate } from "node:timers/promises";
import { DEFAULT_EXPIRY, JournalMemory, openLmdbStore } from "@stanzapack/component/store";

const SHARES = { maxLogBytes: 1e9, maxLogBytesPerJid: 1e9, remotePercent: 100, domainShare: 1 };
const store = await openLmdbStore(process.argv[2], {
  intervalMs: 5,
  retention: { maxRows: 500, maxBytes: 1e9, maxAgeMs: Infinity },
  expiry: DEFAULT_EXPIRY,
  storedShares: new JournalMemory(SHARES),
  memoryShares: new JournalMemory(SHARES),
  onDamage: ({ text }) => process.send({ damage: text }),
  onProblem: (error) => process.send({ damage: String(error) }),
});

async function open(durability) {
  const node = `alice@x/${durability}`;
  const record = {
    ...{ node, durability, config: {}, epoch: 1_000, offset: 0, baseAt: 0, seenAt: Date.now() },
    ...{ incarnations: [], approved: [], last: undefined },
  };
  return (await store.open(node)) ?? (await store.create(record));
}

/** The offsets of all updates that can be read, and whether each has its own text. */
function stateOf({ record, journal, gap }) {
  const offsets = [];
  let right = true;
  for (let next = journal.first; ;) {
    const slice = journal.read(next, 1_000, 1e6);
    if (slice === undefined) break;
    for (const [i, row] of slice.rows.entries()) {
      offsets.push(slice.from + i);
      right &&= Buffer.from(row).toString() === String(slice.from + i);
    }
    next = slice.to + 1;
  }
  const { offset, epoch, incarnations } = record;
  return { offset, epoch, gap, offsets, right, sequence: incarnations[0]?.arrived ?? 0 };
}

async function write(service, durability) {
  for (;;) {
    const from = service.record.offset + 1;
    const to = from + Math.floor(Math.random() * 20);
    const offsets = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const append = {
      ...{ from, to, rows: offsets.map((offset) => Buffer.from(String(offset))) },
      ...{ ats: offsets.map(() => performance.now()), cameAt: Date.now() },
    };
    await service.write({ append, incarnations: [{ incarnation: 1, arrived: to, stored: to }] });
    process.send({ durability, promised: to });
    if (durability === "interval") await setImmediate();
  }
}

const services = { sync: await open("sync"), interval: await open("interval") };
process.send({ opened: { sync: stateOf(services.sync), interval: stateOf(services.interval) } });
// Without the test, nobody would end this process.
process.on("disconnect", () => process.exit());
await Promise.all(Object.entries(services).map(([durability, service]) => write(service, durability)));
