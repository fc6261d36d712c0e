import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";

/**
 * A refused open: the client's full JID, and the time after which it may retry, in ms. Null: the component named no
 * time.
 */
export interface RefusedOpen {
  readonly jid: string;
  readonly retryAfterMs: number | null;
}

/** Passes a component's connections on, and reads its refusals to clients that open links. */
export interface RefusalsTap {
  readonly port: number;
  readonly refused: RefusedOpen[];
  close(): Promise<void>;
}

export async function startRefusalsTap(target: {
  readonly host: string;
  readonly port: number;
}): Promise<RefusalsTap> {
  const refused: RefusedOpen[] = [];
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ ...target, noDelay: true });
    near.pipe(far);
    far.pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
    let rest = "";
    near.setEncoding("latin1").on("data", (chunk: string) => {
      const text = rest + chunk;
      // Messages end the text too: otherwise the rest would grow until the next iq.
      const end = Math.max(text.lastIndexOf("</message>"), text.lastIndexOf("</iq>"));
      if (end === -1) return void (rest = text);
      const whole = text.slice(0, end);
      rest = text.slice(end);
      for (const iq of whole.split("</iq>")) {
        const open = readRefusal(iq);
        if (open !== undefined) refused.push(open);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    refused,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/**
 * The refusal at the end of a text, which ends with an iq without its end tag. Undefined if the iq refuses no open for
 * now.
 */
function readRefusal(text: string): RefusedOpen | undefined {
  const iq = text.slice(text.lastIndexOf("<iq "));
  if (!iq.startsWith("<iq ") || !iq.includes("resource-constraint")) return undefined;
  const jid = /^<iq [^>]*\bto=["']([^"']+)["']/.exec(iq)?.[1];
  const ms = /<retry-after [^>]*\bms=["'](\d+)["']/.exec(iq)?.[1];
  return jid === undefined ? undefined : { jid, retryAfterMs: ms === undefined ? null : Number(ms) };
}
