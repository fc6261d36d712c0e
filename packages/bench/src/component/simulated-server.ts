import { once } from "node:events";
import net from "node:net";
import { NS } from "@stanzapack/xmpp";
import { DemoError } from "../demo/failure.js";
import { BlockReader } from "./block-reader.js";
import type { ClientHost, SimulatedClient } from "./simulated-client.js";
import { StanzaScanner, type ScannedControl, type ScannedStanza } from "./stanza-scanner.js";

const STREAM_ID = "simulated";
const SWEEP_MS = 1_000;

interface Pending {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A server as one component sees it (XEP-0114), with its clients inside. It accepts any secret, routes by full JIDs,
 * answers pings, and returns the component's messages to itself. All answers to one read of the socket are one write.
 */
export class SimulatedServer implements ClientHost {
  readonly blocks = new BlockReader();
  /** Number of stanzas that had no client, or could not be read. */
  faults = 0;
  private readonly clients = new Map<string, SimulatedClient>();
  private readonly pending = new Map<string, Pending>();
  private readonly listener = net.createServer((socket) => this.accept(socket));
  private readonly sweeping = setInterval(() => this.sweep(), SWEEP_MS);
  private socket: net.Socket | undefined;
  private waiting = "";
  private nextId = 1;

  constructor(readonly domain: string) {}

  /** Returns the port, on loopback. */
  async listen(): Promise<number> {
    this.listener.listen(0, "127.0.0.1");
    await once(this.listener, "listening");
    return (this.listener.address() as net.AddressInfo).port;
  }

  add(client: SimulatedClient): void {
    this.clients.set(client.jid, client);
  }

  send(stanza: string): void {
    if (this.waiting === "") setImmediate(() => this.flush());
    this.waiting += stanza;
  }

  request(from: string, payload: string): Promise<void> {
    const id = `q${this.nextId++}`;
    const answer = new Promise<void>((resolve, reject) => this.pending.set(id, { resolve, reject }));
    this.send(`<iq type='set' from='${from}' to='${this.domain}' id='${id}'>${payload}</iq>`);
    return answer;
  }

  stop(): void {
    clearInterval(this.sweeping);
    this.socket?.destroy();
    this.listener.close();
  }

  private flush(): void {
    const text = this.waiting;
    this.waiting = "";
    if (text !== "") this.socket?.write(text);
  }

  private accept(socket: net.Socket): void {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("utf8");
    // The component's process reports its end itself.
    socket.on("error", () => undefined);
    let now = 0;
    const scanner = new StanzaScanner(
      (stanza) => this.route(stanza, now),
      (control) => this.control(socket, control),
    );
    socket.on("data", (chunk: string) => {
      now = performance.now();
      scanner.write(chunk);
    });
  }

  private control(socket: net.Socket, control: ScannedControl): void {
    if (control === "open")
      socket.write(
        `<?xml version='1.0'?><stream:stream xmlns='${NS.COMPONENT}' xmlns:stream='${NS.STREAM}' from='${this.domain}' id='${STREAM_ID}'>`,
      );
    else if (control === "close") socket.end("</stream:stream>");
    else socket.write("<handshake/>");
  }

  private route(stanza: ScannedStanza, now: number): void {
    const { name, type, to, id } = stanza;
    if (to === this.domain) return this.send(stanza.text);
    const client = this.clients.get(to);
    if (client === undefined || name === "presence") {
      if (name !== "presence") this.faults++;
    } else if (name === "message") client.receive(stanza, now);
    else if (type === "get" || type === "set") {
      // The acknowledgement of earlier stanzas is sent before the answer, which is a barrier.
      client.acknowledge();
      this.send(`<iq type='result' from='${to}' to='${this.domain}' id='${id}'/>`);
    } else this.settle(stanza);
  }

  private settle({ type, id, text }: ScannedStanza): void {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    if (type === "result") pending?.resolve();
    else pending?.reject(new DemoError("refused", `the component refused a request: ${text}`));
  }

  private sweep(): void {
    const now = performance.now();
    for (const client of this.clients.values()) client.sweep(now);
  }
}
