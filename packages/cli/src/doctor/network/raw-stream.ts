import net from "node:net";
import tls from "node:tls";

/** Most characters that are kept of what a server says, in UTF-16 code units. Headers and features have some 1,000. */
const MAX_CHARS = 65_536;

/** A TCP connection on which a check speaks XMPP by hand, up to the login. */
export interface RawStream {
  readonly socket: net.Socket;
  write(text: string): void;
  /**
   * Resolves with everything that has arrived since the last call, once it matches. Rejects if the connection ends, if
   * too much arrives, or with the signal's reason.
   */
  take(pattern: RegExp): Promise<string>;
  close(): void;
}

export interface RawTls {
  readonly ca: string | undefined;
  readonly serverName: string;
  /** Default: none. */
  readonly alpn?: readonly string[];
}

/** Connects by TCP, and with `secure` by TLS. It accepts every certificate, so that a check can look at it. */
export async function openRawStream(
  address: { readonly host: string; readonly port: number },
  signal: AbortSignal,
  secure?: RawTls,
): Promise<RawStream> {
  signal.throwIfAborted();
  const socket: net.Socket =
    secure === undefined
      ? net.connect({ ...address, noDelay: true })
      : tls.connect({ ...address, ...tlsOptions(secure) });
  await until(socket, secure === undefined ? "connect" : "secureConnect", signal);
  let text = "";
  let ended: Error | undefined;
  let wake = (): void => undefined;
  const onAbort = (): void => {
    socket.destroy(signal.reason as Error);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  socket
    .on("data", (chunk: Buffer) => {
      text += chunk.toString();
      wake();
    })
    .on("error", (error) => (ended ??= error))
    .on("close", () => {
      signal.removeEventListener("abort", onAbort);
      ended ??= new Error("the server closed the connection");
      wake();
    });
  return {
    socket,
    write: (data) => {
      socket.write(data);
    },
    async take(pattern) {
      while (!pattern.test(text)) {
        if (ended !== undefined) throw ended;
        if (text.length > MAX_CHARS) throw new Error("the server says too much before the login");
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const taken = text;
      text = "";
      return taken;
    },
    close: () => {
      socket.destroy();
    },
  };
}

/** Continues the connection of a raw stream with TLS. The raw stream is not used any more. */
export async function secureRawStream(
  { socket }: RawStream,
  options: RawTls,
  signal: AbortSignal,
): Promise<tls.TLSSocket> {
  socket.removeAllListeners("data");
  const secured = tls.connect({ socket, ...tlsOptions(options) });
  await until(secured, "secureConnect", signal);
  return secured;
}

function tlsOptions({ ca, serverName, alpn }: RawTls): tls.ConnectionOptions {
  return {
    ...(ca !== undefined && { ca: [...tls.rootCertificates, ca] }),
    // RFC 6066 §3: an address is no server name.
    ...(net.isIP(serverName) === 0 && { servername: serverName }),
    ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
    // The judgement of the certificate is the check.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  };
}

async function until(socket: net.Socket, event: string, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => void socket.destroy(signal.reason as Error);
    const finish = (settle: () => void) => () => {
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    // Later errors have their own listener, or nobody who waits for them.
    socket.on("error", () => undefined);
    socket.once(event, finish(resolve));
    socket.once("error", (error) => finish(() => reject(error))());
    socket.once(
      "close",
      finish(() => reject(new Error("the server closed the connection"))),
    );
  });
}
