// A component with its own limits, in its own process.
import { configSchema, createComponent, type StreamsComponent } from "@stanzapack/component";
import { pino } from "pino";
import { DemoError } from "../demo/failure.js";
import { answerCalls } from "../measure/rpc.js";
import type { ComponentMethods } from "./methods.js";

let component: StreamsComponent | undefined;
/** When links were opened, in ms of `performance.now`. */
const openedAt: number[] = [];
/** Reads the lines of the component's log as they are written, so that a time is that of the admission. */
const logger = pino(
  { level: "info" },
  {
    write(line: string) {
      if (line.includes('"msg":"link opened"')) openedAt.push(performance.now());
    },
  },
);

const methods: ComponentMethods = {
  async start({ domain, secret, host, port, limits }) {
    const parsed = configSchema.parse({
      component: { domain, secret },
      store: { kind: "memory" },
      limits,
    });
    component = createComponent({ ...parsed, component: { domain, secret, host, port } }, { logger });
    await component.start();
    return parsed.limits;
  },
  stats() {
    if (component === undefined) throw new DemoError("usage", "call `start` first");
    return component.stats();
  },
  openedAt() {
    return openedAt;
  },
};

answerCalls(methods, async () => component?.stop());
