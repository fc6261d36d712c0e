import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.js";
import { until } from "../base/until.js";

let target: Server;
let proxy: TcpProxy;
let atServer: End[];
const clients: Socket[] = [];

/** One end of a connection, and what it has received. */
interface End {
  readonly socket: Socket;
  text: string;
  byteCount: number;
  ended: boolean;
  error: string | undefined;
  closed: boolean;
}

function watch(socket: Socket): End {
  const end: End = { socket, text: "", byteCount: 0, ended: false, error: undefined, closed: false };
  socket.on("data", (bytes: Buffer) => {
    end.byteCount += bytes.length;
    if (end.text.length < 100_000) end.text += bytes.toString("latin1");
  });
  socket.on("end", () => (end.ended = true));
  socket.on("error", ({ code }: NodeJS.ErrnoException) => (end.error = code));
  socket.on("close", () => (end.closed = true));
  return end;
}

/** Opens a connection through the proxy. Returns both its ends. */
async function open(): Promise<{ client: End; server: End }> {
  const index = atServer.length;
  const client = watch(connect({ port: proxy.port, host: "127.0.0.1", noDelay: true }));
  clients.push(client.socket);
  await until(() => atServer.length > index, 5_000, "a connection at the server");
  return { client, server: atServer[index] as End };
}

/** Waits enough turns of the event loop for both ends to read what was written: both are in this process. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
const quiet = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

beforeEach(async () => {
  atServer = [];
  target = createServer({ noDelay: true }, (socket) => atServer.push(watch(socket)));
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  proxy = await startTcpProxy({ host: "127.0.0.1", port: (target.address() as AddressInfo).port });
});
afterEach(async () => {
  await proxy.close();
  for (const socket of clients.splice(0)) socket.destroy();
  for (const { socket } of atServer) socket.destroy();
  target.close();
  await once(target, "close");
});

describe("a TCP proxy", () => {
  it("passes bytes both ways, and each end's end", async () => {
    const { client, server } = await open();
    client.socket.write("up");
    server.socket.write("down");
    await until(() => server.text === "up" && client.text === "down", 5_000, "both texts");
    expect(proxy.connections).toBe(1);
    client.socket.end("bye");
    await until(() => server.ended && client.closed, 5_000, "the end");
    expect(server.text).toBe("upbye");
    expect([client.error, server.error]).toEqual([undefined, undefined]);
    await until(() => proxy.connections === 0, 5_000, "nothing is left");
  });

  it("passes a reset as a reset", async () => {
    const { client, server } = await open();
    server.socket.resetAndDestroy();
    await until(() => client.closed, 5_000, "the client hears of it");
    expect(client.error).toBe("ECONNRESET");
  });

  it("delays one direction only, by as much as it says, and the end with it", async () => {
    proxy.toServer.delayMs = 300;
    const { client, server } = await open();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    client.socket.end("late");
    server.socket.write("soon");
    await until(() => client.text === "soon" && vi.getTimerCount() > 0, 5_000, "what is not delayed");
    await vi.advanceTimersByTimeAsync(299);
    await turns();
    expect(server).toMatchObject({ text: "", ended: false });
    await vi.advanceTimersByTimeAsync(2);
    await until(() => server.ended, 5_000, "what is delayed");
    expect(server.text).toBe("late");
  });

  it("draws the delay anew within the jitter, and never changes the order of bytes", async () => {
    Object.assign(proxy.toClient, { delayMs: 5, jitterMs: 60 });
    const { client, server } = await open();
    const gaps: number[] = [];
    let last = performance.now();
    client.socket.on("data", () => {
      gaps.push(performance.now() - last);
      last = performance.now();
    });
    const expected = Array.from({ length: 60 }, (_, i) => `${i},`);
    for (const part of expected) {
      server.socket.write(part);
      await quiet(5);
    }
    await until(() => client.text.length === expected.join("").length, 5_000, "all of it");
    expect(client.text).toBe(expected.join(""));
    // Bytes that were sent evenly arrive unevenly.
    expect(Math.max(...gaps)).toBeGreaterThan(15);
  });

  it("lets through so many bytes a second, and holds its sender back instead of keeping all", async () => {
    proxy.toServer.bytesPerSecond = 400_000;
    const { client, server } = await open();
    const bytes = Buffer.alloc(64_000_000, "x");
    client.socket.write(bytes);
    const start = performance.now();
    await until(() => server.byteCount > 400_000, 10_000, "the first second's bytes");
    const rate = (server.byteCount / (performance.now() - start)) * 1_000;
    // A busy machine can make it slower, but nothing makes it faster.
    expect(rate).toBeLessThan(480_000);
    expect(rate).toBeGreaterThan(40_000);
    // The proxy holds at most a megabyte, and the system's buffers hold some more.
    expect(client.socket.writableLength).toBeGreaterThan(bytes.length / 2);
    const other = await open();
    other.server.socket.write("the other way is free");
    await until(() => other.client.text !== "", 1_000, "the other direction");
    // Without the limit, the pipe is as fast as before.
    proxy.heal();
    await until(() => server.byteCount === bytes.length, 20_000, "the rest");
  });

  it.each(["toServer", "toClient"] as const)("drops what goes %s, and nothing else", async (direction) => {
    const { client, server } = await open();
    const [from, to] = direction === "toServer" ? [client, server] : [server, client];
    proxy[direction].drop = true;
    from.socket.write("gone");
    to.socket.write("here");
    await until(() => from.text === "here", 5_000, "the other direction");
    from.socket.end();
    await turns();
    expect(to).toMatchObject({ text: "", ended: false, closed: false });
  });

  it("stalls: both directions fall silent, and connections stay open", async () => {
    const { client, server } = await open();
    proxy.stall = true;
    client.socket.write("gone");
    server.socket.write("gone");
    await turns();
    expect([client, server]).toMatchObject([
      { text: "", closed: false },
      { text: "", closed: false },
    ]);
    // Connections that open later are affected too.
    const later = await open();
    later.client.socket.write("gone too");
    await turns();
    expect(later.server.text).toBe("");
  });

  it.each(["client", "server"] as const)(
    "leaves connections half open that are closed at the %s only",
    async (closed) => {
      const ends = await open();
      const other = closed === "client" ? "server" : "client";
      proxy.halfOpen(closed);
      await until(() => ends[closed].closed, 5_000, "the end that is closed");
      ends[other].socket.write("into the void");
      await turns();
      expect(ends[other]).toMatchObject({ ended: false, closed: false, error: undefined, text: "" });
      const later = await open();
      later.client.socket.write("whole");
      await until(() => later.server.text === "whole", 5_000, "a new connection");
    },
  );

  it.each(["toServer", "toClient"] as const)(
    "silences what goes %s on connections of now",
    async (direction) => {
      const { client, server } = await open();
      const [from, to] = direction === "toServer" ? [client, server] : [server, client];
      proxy.silence(direction);
      from.socket.write("gone");
      to.socket.write("here");
      await until(() => from.text === "here", 5_000, "the other direction");
      from.socket.end();
      await turns();
      expect(to).toMatchObject({ text: "", ended: false, closed: false });
      const later = await open();
      later.client.socket.write("up");
      later.server.socket.write("down");
      await until(
        () => later.server.text === "up" && later.client.text === "down",
        5_000,
        "a new connection",
      );
    },
  );

  it("cuts with a reset at both ends, and refuses with one", async () => {
    const { client, server } = await open();
    proxy.cut();
    await until(() => client.closed && server.closed, 5_000, "both ends are told");
    expect([client.error, server.error]).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect(proxy.connections).toBe(0);
    proxy.refuse = true;
    const refused = watch(connect({ port: proxy.port, host: "127.0.0.1" }));
    clients.push(refused.socket);
    await until(() => refused.closed, 5_000, "refused");
    expect(refused.error).toBe("ECONNRESET");
    expect(atServer).toHaveLength(1);
    proxy.heal();
    await open();
    expect(proxy.accepted).toBe(3);
  });

  it("cuts also a connection whose end is just being passed on", async () => {
    const before = countDescriptors();
    proxy.toServer.delayMs = 50;
    const { client, server } = await open();
    client.socket.end("bye");
    await quiet(20);
    const isCut = new Promise<void>((resolve) => setTimeout(() => resolve(proxy.cut()), 60));
    // Both timers are late then, so the end is passed on and the connection cut in one turn of the event loop.
    for (const end = performance.now() + 120; performance.now() < end;);
    await isCut;
    await until(() => client.closed && server.closed, 5_000, "both ends are told");
    await until(() => countDescriptors() <= before, 5_000, "every socket is closed");
  });

  it("stops what it started when closed, also what is delayed and what is half open", async () => {
    const before = countResources();
    const own = await startTcpProxy({
      host: "127.0.0.1",
      port: (target.address() as AddressInfo).port,
    });
    Object.assign(own.toServer, { delayMs: 60_000, bytesPerSecond: 1 });
    const sockets = [1, 2].map(() => connect({ port: own.port, host: "127.0.0.1" }));
    for (const socket of sockets) {
      socket.on("error", () => undefined);
      socket.write("never arrives");
    }
    await until(() => own.connections === 2, 5_000, "connections");
    own.halfOpen("server");
    await Promise.all([own.close(), own.close()]);
    expect(own.connections).toBe(0);
    for (const socket of sockets) socket.destroy();
    await until(() => countResources() <= before, 5_000, "nothing is left");
  });
});

const countResources = (): number =>
  process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length;
const countDescriptors = (): number => readdirSync("/proc/self/fd").length;
