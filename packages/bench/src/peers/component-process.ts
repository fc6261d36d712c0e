// A component with its own limits, in its own process.
import { configSchema, createComponent, type StreamsComponent } from "@stanzapack/component";
import { DemoError } from "../demo/failure.js";
import { answerCalls } from "../measure/rpc.js";
import type { ComponentMethods } from "./methods.js";

let component: StreamsComponent | undefined;

const methods: ComponentMethods = {
  async start({ domain, secret, host, port, limits }) {
    const parsed = configSchema.parse({
      component: { domain, secret },
      store: { kind: "memory" },
      limits,
      log: { level: "error" },
    });
    component = createComponent({ ...parsed, component: { domain, secret, host, port } });
    await component.start();
    return parsed.limits;
  },
  stats() {
    if (component === undefined) throw new DemoError("usage", "call `start` first");
    return component.stats();
  },
};

answerCalls(methods, async () => component?.stop());
