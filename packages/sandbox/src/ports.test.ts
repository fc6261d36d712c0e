import { createServer } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { releasePorts, reservePorts } from "./ports.js";

test("many at once never share a port, and all can be listened on", async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => reservePorts(3)));
  const ports = all.flat();
  expect(new Set(ports).size).toBe(150);
  const port = ports[0] as number;
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
  all.forEach(releasePorts);
});

test("they lie below the kernel's range for outgoing connections", async () => {
  const ports = await reservePorts(3);
  for (const port of ports) {
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(32_000);
  }
  releasePorts(ports);
});
