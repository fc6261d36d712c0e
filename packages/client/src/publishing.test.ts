import { describe, expect, it, vi } from "vitest";
import type { Link } from "./link.js";
import type { OfferedService } from "./offered-service.js";
import { Publishing } from "./publishing.js";

function setUp(): {
  link: { maySendData: boolean; unacknowledged: boolean; sendData: ReturnType<typeof vi.fn> };
  service: OfferedService;
  publishing: Publishing;
} {
  const link = {
    maySendData: true,
    unacknowledged: false,
    maxBlockBytes: 65_535,
    sendData: vi.fn(),
    session: { sentStanzas: 7 },
  };
  const service = {
    pending: true,
    conflate: vi.fn(),
    take: vi.fn(() => ["AAAA"]),
    wasSent: vi.fn(),
  } as unknown as OfferedService;
  return { link, service, publishing: new Publishing(() => link as unknown as Link) };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

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
    expect(link.sendData).toHaveBeenCalledExactlyOnceWith(["AAAA"]);
    expect(service.wasSent).toHaveBeenCalledExactlyOnceWith(7);
  });

  it("keeps what waits while only the network is away", async () => {
    const { link, service, publishing } = setUp();
    link.maySendData = false;
    publishing.book(service, 0);
    await turn();
    expect(service.conflate).not.toHaveBeenCalled();
  });
});
