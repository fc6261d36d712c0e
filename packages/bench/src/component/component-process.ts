// The measured component, alone in its process, so that processor time and heap are the component's only.
import { setTimeout as delay } from "node:timers/promises";
import { configSchema, createComponent, type StreamsComponent } from "@stanzapack/component";
import { DemoError } from "../demo/failure.js";
import { answerCalls } from "../measure/rpc.js";
import type { ComponentMethods } from "./methods.js";

/**
 * Collections in a row. What one collection frees may hold more: weak references and finalizers need a turn of the
 * event loop.
 */
const COLLECTIONS = 3;

let component: StreamsComponent | undefined;

const methods: ComponentMethods = {
  async start({ domain, secret, port, limits }) {
    const parsed = configSchema.parse({
      component: { domain, secret },
      store: { kind: "memory" },
      limits,
      log: { level: "error" },
    });
    component = createComponent({ ...parsed, component: { domain, secret, host: "127.0.0.1", port } });
    await component.start();
    return parsed.limits;
  },
  async use({ collects }) {
    if (component === undefined) throw new DemoError("usage", "call `start` first");
    if (collects) await collectGarbage();
    const { user, system } = process.cpuUsage();
    const { heapUsed, rss } = process.memoryUsage();
    return { cpuUs: user + system, heapBytes: heapUsed, rssBytes: rss, stats: component.stats() };
  },
};

async function collectGarbage(): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new DemoError("usage", "the process needs --expose-gc");
  for (let i = 0; i < COLLECTIONS; i++) {
    gc();
    await delay(10);
  }
}

answerCalls(methods, async () => component?.stop());
