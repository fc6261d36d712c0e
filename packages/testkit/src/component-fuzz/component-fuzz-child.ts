// The component that is fuzzed, in a process of its own, with `gc`: so its heap is its own, and an end of it is seen.
import { configSchema, createComponent } from "@stanzapack/component";
import type { FuzzedComponentOptions, Measure } from "./component-fuzz-process.js";

process.once("message", (options: FuzzedComponentOptions) => {
  const { domain, secret, host, port, limits } = options;
  const config = configSchema.parse({
    component: { domain, secret, host, port },
    limits,
    log: { level: "warn" },
  });
  const component = createComponent({ ...config, component: { domain, secret, host, port } });
  const measure = (): Measure => {
    for (let i = 0; i < 3; i++) globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    return { heapBytes: heapUsed, rssBytes: rss, stats: component.stats() };
  };
  process.on("message", () => process.send?.(measure()));
  process.on("disconnect", () => process.exit(0));
  void component.start().then(() => process.send?.(measure()));
});
