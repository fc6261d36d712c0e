import { describe, expect, it, vi } from "vitest";
import type { Link } from "../link/link.js";
import type { OfferedService } from "./offered-service.js";
import { Publishing } from "./publishing.js";

const DATA = [{ base64: "AAAA", data: true, pad: 0, body: undefined, label: 0 }];

function setUp(): {
  link: { maySendData: boolean; unacknowledged: boolean; sendData: ReturnType<typeof vi.fn> };
  service: OfferedService;
  publishing: Publishing;
} {
  const link = {
    maySendData: true,
    unacknowledged: false,
    maxBlockBytes: 65_535,
    roomBytes: 1_000,
    slow: false,
    sendData: vi.fn(),
    session: { sentStanzas: 7 },
  };
  const service = {
    pending: true,
    waitingBytes: 0,
    wait: vi.fn(),
    conflate: vi.fn(),
    take: vi.fn(() => {
      Object.assign(service, { pending: false });
      return DATA;
    }),
    wasSent: vi.fn(),
  } as unknown as OfferedService;
  return { link, service, publishing: new Publishing(() => link as unknown as Link) };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe("Publishing", () => {
  it("conflates to the newest behind a link full of unacknowledged stanzas, and sends when it has room", async () => {
    const { link, service, publishing } = setUp();
    Object.assign(link, { maySendData: false, unacknowledged: true });
    publishing.book(service, 0);
    await turn();
    expect(service.conflate).toHaveBeenCalledOnce();
    expect(link.sendData).not.toHaveBeenCalled();
    Object.assign(link, { maySendData: true, unacknowledged: false });
    publishing.release();
    expect(link.sendData).toHaveBeenCalledExactlyOnceWith(DATA);
    expect(service.wasSent).toHaveBeenCalledExactlyOnceWith(7);
  });

  it("lets a service that only has something to tell go when there is room, and not be late with it", async () => {
    const { link, service, publishing } = setUp();
    Object.assign(link, { maySendData: false });
    Object.assign(service, { pending: false });
    publishing.book(service, 0);
    await turn();
    expect(service.wait).not.toHaveBeenCalled();
    Object.assign(link, { maySendData: true });
    publishing.release();
    expect(link.sendData).toHaveBeenCalledExactlyOnceWith(DATA);
  });

  it("conflates what is more than a slow server has room for, and nothing else", () => {
    const { link, service, publishing } = setUp();
    for (const [slow, waitingBytes] of [
      [false, 2_000],
      [true, 1_000],
      [true, 1_001],
    ] as const) {
      Object.assign(link, { slow });
      Object.assign(service, { waitingBytes, pending: true });
      publishing.flushNow(service);
    }
    expect(service.conflate).toHaveBeenCalledOnce();
    expect(link.sendData).toHaveBeenCalledTimes(3);
  });

  it("sends of a log what there is room for, and goes on when there is more", () => {
    const { link, service, publishing } = setUp();
    let parts = 5;
    vi.mocked(service.take).mockImplementation(() => {
      Object.assign(service, { pending: --parts > 0 });
      Object.assign(link, { maySendData: parts !== 3 });
      return DATA;
    });
    publishing.flushNow(service);
    expect([parts, vi.mocked(service.wait).mock.calls.length]).toEqual([3, 1]);
    Object.assign(link, { maySendData: true });
    publishing.release();
    expect(parts).toBe(0);
  });

  it("leaves a service alone that the component has not bound yet", () => {
    const { link, service, publishing } = setUp();
    vi.mocked(service.take).mockReturnValue([]);
    publishing.flushNow(service);
    expect(link.sendData).not.toHaveBeenCalled();
  });

  it("keeps what waits while only the network is away", async () => {
    const { link, service, publishing } = setUp();
    link.maySendData = false;
    publishing.book(service, 0);
    await turn();
    expect(service.conflate).not.toHaveBeenCalled();
  });
});
