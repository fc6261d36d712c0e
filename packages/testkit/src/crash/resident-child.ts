// What both programs of the crash proof have in common. See `resident-messages.ts`.
import { setTimeout as sleep } from "node:timers/promises";
import { connect, StanzapackError, type Client } from "@stanzapack/client";
import type { CommonReport, Login, Order } from "./resident-messages.js";

/** Pause before a request is repeated, in ms. */
const AGAIN_MS = 250;

/** Says something to the proof. What was said before a kill still arrives. */
export function say<Report extends { readonly type: string }>(report: Report): void {
  // Without the proof, nobody would end this process.
  process.send?.(report, undefined, undefined, (error) => error !== null && process.exit());
}

export function fault(text: string): void {
  say<CommonReport>({ type: "fault", text });
}

/** Runs the program with its first message. Later messages go to the function that it resolves to. */
export function runChild<Start>(main: (start: Start) => Promise<(order: Order) => void>): void {
  process.on("disconnect", () => process.exit());
  process.once("message", (start) => {
    const orders: Order[] = [];
    let take = (order: Order): void => void orders.push(order);
    process.on("message", (order) => take(order as Order));
    main(start as Start).then(
      (obey) => {
        take = obey;
        say<CommonReport>({ type: "ready" });
        for (const order of orders) obey(order);
      },
      (error: unknown) => fault(`it could not start: ${(error as Error).message}`),
    );
  });
}

/** Logs in. The network may be away meanwhile. */
export async function logIn(login: Login): Promise<Client> {
  const client = await connect({ ...login, startOffline: true });
  client.on("offline", () => say<CommonReport>({ type: "offline" }));
  client.on("closed", (reason) => fault(`its client ended: ${String(reason?.message)}`));
  return client;
}

/** Repeats a request until it succeeds, or fails for another reason than the present faults. */
export async function persist<T>(request: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      const mayPass = error instanceof StanzapackError && (error.retryable || error.code === "timeout");
      if (!mayPass) throw error;
      await sleep(AGAIN_MS);
    }
  }
}
