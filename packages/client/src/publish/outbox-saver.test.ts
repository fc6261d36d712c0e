import { describe, expect, it, vi } from "vitest";
import { OutboxSaver } from "./outbox-saver.js";
import { toStoreError, type OutboxEntry, type StoredOutbox } from "../store/outbox-store.js";
import { Outbox } from "./outbox.js";

function setUp() {
  const outbox = new Outbox({ maxRows: 10_000, maxBytes: 10_000_000 }, { before: 0, entries: [] });
  const calls: string[] = [];
  const gates: (() => void)[] = [];
  const call = (text: string): Promise<void> => {
    calls.push(text);
    return new Promise((resolve) => gates.push(resolve));
  };
  const store = {
    ...{ incarnation: 7, before: 0, entries: [] },
    append: vi.fn((entries: readonly OutboxEntry[]) =>
      call(`append ${entries.map(({ row }) => row[0]).join()}`),
    ),
    forget: vi.fn((upTo: number) => call(`forget ${upTo}`)),
    renew: vi.fn((incarnation: number) => call(`renew ${incarnation}`)),
    close: vi.fn(() => Promise.resolve()),
  } satisfies StoredOutbox;
  const onSaved = vi.fn();
  const onFailed = vi.fn();
  const saver = new OutboxSaver(outbox, store, onSaved, onFailed, toStoreError);
  const publish = (...bytes: number[]): void => {
    for (const byte of bytes) outbox.push(Uint8Array.of(byte), byte);
    saver.kick();
  };
  /** Ends the running write. */
  const next = async (): Promise<void> => {
    await vi.waitFor(() => expect(gates.length).toBeGreaterThan(0));
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { outbox, saver, store, calls, publish, next, onSaved, onFailed };
}

describe("an outbox's saver", () => {
  it("writes one turn's updates at once, then what came meanwhile, and only then they may be sent", async () => {
    const { outbox, saver, calls, publish, next, onSaved } = setUp();
    publish(1, 2);
    publish(3);
    await vi.waitFor(() => expect(calls).toEqual(["append 1,2,3"]));
    publish(4);
    publish(5);
    const saved = vi.fn();
    void saver.saved().then(saved);
    expect(outbox.pending).toBe(false);
    await next();
    expect([outbox.pending, onSaved.mock.calls.length, saved.mock.calls.length]).toEqual([true, 1, 0]);
    await next();
    expect(calls).toEqual(["append 1,2,3", "append 4,5"]);
    expect(saved).toHaveBeenCalledOnce();
    await saver.saved();
  });

  it("forgets what is acknowledged, also while much is published", async () => {
    const { outbox, saver, calls, publish, next } = setUp();
    publish(1, 2);
    await next();
    outbox.resume(2);
    publish(3);
    await next();
    await next();
    expect(calls).toEqual(["append 1,2", "append 3", "forget 2"]);
    await saver.close();
  });

  it("holds everything back until a new incarnation is saved", async () => {
    const { outbox, saver, calls, publish, next } = setUp();
    publish(1);
    await next();
    saver.renew(9);
    expect(outbox.pending).toBe(false);
    publish(2);
    await next();
    expect(calls).toEqual(["append 1", "renew 9", "append 2"]);
    expect(outbox.pending).toBe(true);
    await next();
    expect(outbox.take(9, 9)).toMatchObject([{ from: 1, to: 2 }]);
  });

  it("saves what waits before it closes", async () => {
    const { saver, store, publish, next } = setUp();
    publish(1);
    const closed = saver.close();
    await next();
    await closed;
    expect(store.append).toHaveBeenCalledOnce();
    expect(store.close).toHaveBeenCalledOnce();
  });

  it("tells how much could not be saved, and why; writes no more, and what is not saved is never sent", async () => {
    const { outbox, saver, store, publish, onFailed } = setUp();
    store.append.mockRejectedValueOnce(new Error("no space left on device"));
    publish(1, 2, 3);
    const expected = { code: "store-failed", text: "3 updates could not be saved: no space left on device" };
    await expect(saver.saved()).rejects.toMatchObject(expected);
    expect(onFailed).toHaveBeenCalledExactlyOnceWith(expect.objectContaining(expected));
    publish(4);
    await expect(saver.saved()).rejects.toMatchObject({ code: "store-failed" });
    expect(store.append).toHaveBeenCalledOnce();
    expect(outbox.pending).toBe(false);
    await saver.close();
  });

  it.each([[null], [undefined], ["full"], [Object.create(null)]])(
    "fails with `store-failed` whatever a store throws, also before it gives a promise: %#",
    async (thrown: unknown) => {
      const { saver, store, publish, onFailed } = setUp();
      const fail = (): never => {
        throw thrown;
      };
      store.append.mockImplementationOnce(fail);
      store.close.mockImplementationOnce(fail);
      publish(1);
      await expect(saver.saved()).rejects.toMatchObject({ code: "store-failed" });
      expect(onFailed).toHaveBeenCalledOnce();
      await saver.close();
    },
  );
});
