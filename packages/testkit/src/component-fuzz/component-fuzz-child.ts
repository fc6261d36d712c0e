// The fuzzed component in its own process, with `gc`. So the heap is the component's alone, and the fuzzer sees its
// end.
import { configSchema, createComponent } from "@stanzapack/component";
import type { FuzzedComponentOptions, Measure } from "./component-fuzz-process.js";

process.once("message", (options: FuzzedComponentOptions) => {
  const { domain, secret, host, port, limits } = options;
  const config = configSchema.parse({
    component: { domain, secret, host, port },
    store: { kind: "memory" },
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
