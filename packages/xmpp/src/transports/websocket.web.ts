import { XmppError } from "../base/errors.js";
import type { RawWebSocket, WebSocketEvents, WebSocketOptions } from "./websocket.node.js";

/** The part of the browser's WebSocket that this module uses. */
interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

const OPEN = 1;

/**
 * As in `websocket.node.ts`, with the browser's WebSocket. The browser decides which authorities it trusts. It does not
 * say why a connection failed, and does not count the socket's bytes. It reads a whole message before its length is
 * known.
 */
export async function openWebSocket(
  url: URL,
  { maxMessageBytes }: WebSocketOptions,
  events: WebSocketEvents,
  signal: AbortSignal,
): Promise<RawWebSocket> {
  signal.throwIfAborted();
  const { WebSocket } = globalThis as unknown as {
    WebSocket: new (url: string, protocols: readonly string[]) => WebSocketLike;
  };
  const websocket = new WebSocket(url.href, ["xmpp"]);
  let failure: XmppError | undefined;
  const fail = (message: string): void => {
    failure ??= new XmppError("protocol", message);
    websocket.close();
  };
  const onAbort = (): void => {
    websocket.close();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      websocket.onopen = () => {
        resolve();
      };
      websocket.onclose = () => {
        reject(new XmppError("unreachable", `no WebSocket to ${url.host}`));
      };
      // Some runtimes throw when there is no listener. The event does not say what is wrong, and `onclose` follows.
      (websocket as { onerror?: () => void }).onerror = () => undefined;
    });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  const utf8 = new TextEncoder();
  websocket.onmessage = ({ data }) => {
    // RFC 7395 §3.2
    if (typeof data !== "string") return fail("the server sent a binary WebSocket message");
    const byteCount = utf8.encode(data).length;
    if (byteCount > maxMessageBytes) return fail("the server's WebSocket message is too long");
    events.onText(data, byteCount);
  };
  websocket.onclose = () => {
    events.onClose(failure);
  };
  return {
    get bufferedAmount() {
      return websocket.bufferedAmount;
    },
    socketBytes: undefined,
    send(text) {
      if (websocket.readyState === OPEN) websocket.send(text);
    },
    close: () => {
      websocket.close(1000);
    },
    terminate: () => {
      websocket.close();
    },
  };
}
