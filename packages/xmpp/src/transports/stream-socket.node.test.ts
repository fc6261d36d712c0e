import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { StreamSocket } from "./stream-socket.node.js";
import { startFakeServer, type FakeServer } from "../testing/fake-server.js";
import { afterTimers, until } from "../testing/until.js";

let server: FakeServer | undefined;
afterEach(() => server?.close());

describe("StreamSocket", () => {
  it("does not wait for more to send (Nagle), unlike a socket left as it is", async () => {
    // The server answers only when both of two small writes have arrived. Nagle holds the second back until the first
    // is acknowledged. The other side delays that acknowledgement by 40 ms.
    server = await startFakeServer(async (peer) => {
      for (;;) {
        await peer.take(/ab/);
        peer.write("!");
      }
    });
    const { port } = server;

    const measure = async (socket: {
      write(text: string): unknown;
      once(event: "data", listener: () => void): unknown;
    }) => {
      // The best median of three, since on a busy machine the others are longer.
      const medians: number[] = [];
      for (let series = 0; series < 3; series++) {
        const times: number[] = [];
        for (let round = 0; round < 15; round++) {
          const start = performance.now();
          const answered = new Promise<void>((resolve) => socket.once("data", resolve));
          socket.write("a");
          socket.write("b");
          await answered;
          times.push(performance.now() - start);
        }
        medians.push(times.sort((x, y) => x - y)[7] ?? 0);
      }
      return Math.min(...medians);
    };

    const stock = net.connect(port, "127.0.0.1");
    const ours = new StreamSocket();
    await ours.connect("127.0.0.1", port);
    try {
      expect(await measure(stock)).toBeGreaterThan(20);
      expect(await measure(ours)).toBeLessThan(20);
    } finally {
      stock.destroy();
      ours.destroy();
    }
  });

  it("keeps a character whole that comes in two packets, unlike a decoder for each packet", async () => {
    server = await startFakeServer(async (peer) => {
      const bytes = Buffer.from("€😀");
      for (const byte of bytes) {
        peer.write(Buffer.from([byte]));
        // The other end reads each byte before the next is sent, since both ends are in this process.
        await afterTimers(5);
      }
    });
    const socket = new StreamSocket();
    let text = "";
    socket.on("data", (part: string) => (text += part));
    await socket.connect("127.0.0.1", server.port);
    await until(() => text.length === 3);
    expect(text).toBe("€😀");
    expect(socket.received).toEqual({ xmpp: 7, socket: 7 });
    socket.destroy();

    // xmpp.js decodes each packet by itself.
    const stock = net.connect(server.port, "127.0.0.1");
    let stockText = "";
    stock.on("data", (part) => (stockText += part.toString("utf8")));
    await until(() => stockText.length >= 7);
    expect(stockText).not.toContain("€");
    stock.destroy();
  });
});
