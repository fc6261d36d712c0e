// A publisher of a log with a store, which the test kills. It publishes its own sequence numbers, so the n-th update is
// n.
import { connect } from "@stanzapack/client";
import { openOutboxStore } from "@stanzapack/client/store";

const { location, everyMs, count, ...options } = JSON.parse(process.argv[2]);
const store = await openOutboxStore(location);
const client = await connect({ ...options, startOffline: true });
const service = await client.offer("kept", { kind: "log", store });
service.on("ended", (error) => process.send?.({ ended: error?.code }));
client.on("online", () => process.send?.({ online: true }));

const publish = async () => {
  service.publish(service.published + 1);
  const last = service.published;
  await service.saved();
  process.send?.({ saved: last });
};
if (everyMs === undefined) for (let i = 0; i < count; i++) await publish();
else setInterval(publish, everyMs);
// Without the test, nobody would end this process.
process.on("disconnect", () => process.exit());
