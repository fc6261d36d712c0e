// A simulated server with all its clients, in its own process, so that the component's process has the component only.
import { DemoError } from "../demo/failure.js";
import { answerCalls } from "../measure/rpc.js";
import { ints } from "../workloads/series.js";
import type { ServerMethods } from "./methods.js";
import { SimulatedClient, SimulatedPublisher } from "./simulated-client.js";
import { SimulatedServer } from "./simulated-server.js";

/** Number of links opened at once. A component answers each within milliseconds. */
const AT_ONCE = 50;
const PUBLISHER = "publisher";

let server: SimulatedServer | undefined;
let users = "";
let publisher: SimulatedPublisher | undefined;
let timer: NodeJS.Timeout | undefined;
const subscribers: SimulatedClient[] = [];

const methods: ServerMethods = {
  async listen({ domain }) {
    server = new SimulatedServer(domain);
    users = domain.slice(domain.indexOf(".") + 1);
    return await server.listen();
  },

  async offer() {
    const host = started();
    publisher = new SimulatedPublisher(host, `${PUBLISHER}@${users}/1`, "publ", 0);
    host.add(publisher);
    await publisher.offer(node());
    return node();
  },

  async join({ count, resources, windowMs, envelope }) {
    const host = started();
    const end = subscribers.length + count;
    const worker = async (): Promise<void> => {
      while (subscribers.length < end) {
        const index = subscribers.length;
        const jid = `subscriber${Math.floor(index / resources)}@${users}/${index % resources}`;
        // Golden section, so that neighbours acknowledge at different times.
        const client = new SimulatedClient(host, jid, sidOf(index), (index * 0.618) % 1);
        subscribers.push(client);
        host.add(client);
        await client.subscribe(node(), windowMs, envelope);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  },

  publish({ perSecond }) {
    clearInterval(timer);
    if (perSecond === 0) return;
    const values = ints();
    timer = setInterval(() => publisher?.publish(values.next().value), 1_000 / perSecond);
  },

  counts() {
    const { faults } = started();
    const counts = { subscribers: subscribers.length, dataStanzas: 0, acknowledgements: 0, faults };
    for (const client of subscribers) {
      counts.dataStanzas += client.dataStanzas;
      counts.acknowledgements += client.acknowledgements;
      counts.faults += client.faults;
    }
    return counts;
  },
};

function started(): SimulatedServer {
  if (server === undefined) throw new DemoError("usage", "call `listen` first");
  return server;
}

function node(): string {
  return `${PUBLISHER}@${users}/tick`;
}

/** A sid of four characters, as the SDK's. */
function sidOf(index: number): string {
  return index.toString(36).padStart(4, "0");
}

answerCalls(methods, () => {
  clearInterval(timer);
  server?.stop();
  return Promise.resolve();
});
