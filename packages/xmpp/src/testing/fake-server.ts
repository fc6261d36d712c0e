import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import tls from "node:tls";
import zlib from "node:zlib";

/** One connection as the server sees it. */
export interface FakePeer {
  socket: net.Socket;
  /** All received text, before and after a change to TLS. */
  text: string;
  /** Number of times that the client sent after the server had: round trips for which the client waited. */
  turns: number;
  write(text: string | Buffer): void;
  /** Resolves with the match when the text received since the last `take` matches. Removes the text up to its end. */
  take(pattern: RegExp): Promise<RegExpExecArray>;
}

export interface FakeServer {
  readonly port: number;
  readonly peers: FakePeer[];
  close(): Promise<void>;
}

/** Starts a TCP server on loopback that the test plays. */
export async function startFakeServer(onPeer: (peer: FakePeer) => unknown): Promise<FakeServer> {
  const peers: FakePeer[] = [];
  const server = net.createServer((socket) => {
    const peer = createPeer(socket);
    peers.push(peer);
    Promise.resolve(onPeer(peer)).catch(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    peers,
    async close() {
      for (const { socket } of peers) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function createPeer(first: net.Socket): FakePeer {
  let untaken = "";
  let waiting: (() => void) | undefined;
  const listen = (socket: net.Socket): void => {
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => waiting?.());
    socket.on("data", (data) => {
      receive(data.toString());
    });
  };
  let spoke = true;
  const receive = (text: string): void => {
    if (spoke) peer.turns++;
    spoke = false;
    peer.text += text;
    untaken += text;
    waiting?.();
  };
  const peer: HiddenPeer = {
    socket: first,
    text: "",
    turns: 0,
    listen,
    receive,
    write: (text) => {
      spoke = true;
      peer.socket.write(text);
    },
    async take(pattern) {
      for (;;) {
        const match = pattern.exec(untaken);
        if (match !== null) {
          untaken = untaken.slice(match.index + match[0].length);
          return match;
        }
        if (peer.socket.destroyed) throw new Error("the connection is gone");
        await new Promise<void>((resolve) => (waiting = resolve));
      }
    },
  };
  listen(first);
  return peer;
}

type HiddenPeer = FakePeer & {
  readonly listen: (socket: net.Socket) => void;
  readonly receive: (text: string) => void;
};

/** The compression of a peer's stream. */
export interface FakeCompression {
  /** Compressed length of each received piece, in bytes. */
  readonly pieces: number[];
  /** Writes bytes unchanged. */
  writeRaw(bytes: Uint8Array): void;
}

/** Accepts `<compress/>`, and compresses from then on, with sync flushes as servers do. */
export async function acceptCompression(peer: FakePeer, features: string): Promise<FakeCompression> {
  await peer.take(/<compress [^>]*><method>zlib<\/method><\/compress>/);
  peer.write("<compressed xmlns='http://jabber.org/protocol/compress'/>");
  const { socket } = peer;
  const pieces: number[] = [];
  const inflate = zlib.createInflate();
  const deflate = zlib.createDeflate();
  socket.removeAllListeners("data");
  socket.on("data", (data) => {
    pieces.push(data.length);
    inflate.write(data);
  });
  inflate.setEncoding("utf8").on("data", (text: string) => {
    (peer as HiddenPeer).receive(text);
  });
  inflate.on("error", () => socket.destroy());
  deflate.on("data", (data: Buffer) => socket.write(data));
  peer.write = (text) => {
    deflate.write(text);
    deflate.flush(zlib.constants.Z_SYNC_FLUSH);
  };
  await peer.take(HEADER);
  peer.write(clientHeader(features));
  return { pieces, writeRaw: (bytes) => void socket.write(bytes) };
}

/** One context for each certificate. Another context could not read the session tickets of the first. */
const contexts = new WeakMap<Certificate, tls.SecureContext>();

function contextOf(certificate: Certificate): tls.SecureContext {
  const context = contexts.get(certificate) ?? tls.createSecureContext(certificate);
  contexts.set(certificate, context);
  return context;
}

/** Changes the server's end to TLS. Resolves with the server name that the client requested. */
export async function upgrade(peer: FakePeer, certificate: Certificate): Promise<string> {
  let serverName = "";
  const raw = peer.socket;
  raw.removeAllListeners("data");
  const secure = new tls.TLSSocket(raw, {
    isServer: true,
    secureContext: contextOf(certificate),
    SNICallback: (name, done) => {
      serverName = name;
      done(null);
    },
  });
  peer.socket = secure;
  (peer as HiddenPeer).listen(secure);
  await once(secure, "secure");
  return serverName;
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** PEM of the authority to trust. It is the certificate itself. */
  readonly ca: string;
}

/** Creates a temporary certificate for a domain. The certificate is its own authority. */
export function createCertificate(
  domain: string,
  { expired = false }: { readonly expired?: boolean } = {},
): Certificate {
  const folder = mkdtempSync(path.join(tmpdir(), "stanzapack-cert-"));
  try {
    const at = (name: string): string => path.join(folder, name);
    const openssl = (...args: string[]): void => {
      execFileSync("openssl", args, { stdio: "ignore" });
    };
    writeFileSync(
      at("config"),
      `[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=${domain}\n[ext]\nsubjectAltName=DNS:${domain}\nbasicConstraints=CA:TRUE\n` +
        `[ca]\ndefault_ca=own\n[own]\ndatabase=${at("index")}\nnew_certs_dir=${folder}\nserial=${at("serial")}\n` +
        `default_md=sha256\npolicy=any\nx509_extensions=ext\n[any]\ncommonName=supplied\n`,
    );
    writeFileSync(at("index"), "");
    writeFileSync(at("serial"), "01");
    const [config, key, request, cert] = [at("config"), at("key"), at("request"), at("cert")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl("req", "-config", config, ...curve, "-keyout", key, "-out", request);
    const to = new Date(Date.now() + (expired ? -1 : 1) * DAY_MS);
    const span = [
      ["-startdate", new Date(to.getTime() - 2 * DAY_MS)],
      ["-enddate", to],
    ] as const;
    const signed = ["-batch", "-notext", "-selfsign", "-keyfile", key, "-in", request, "-out", cert];
    openssl("ca", "-config", config, ...signed, ...span.flatMap(([name, at]) => [name, toAsn1(at)]));
    const pem = readFileSync(cert, "utf8");
    return { key: readFileSync(key, "utf8"), cert: pem, ca: pem };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const DAY_MS = 86_400_000;

/** Formats a time as `openssl ca` requires it: YYYYMMDDHHMMSSZ. */
const toAsn1 = (at: Date): string => at.toISOString().replace(/\.\d+|[-:T]/g, "");

const STREAM = "xmlns:stream='http://etherx.jabber.org/streams'";
const HEADER = /<stream:stream[^>]*>/;

/** Answers a component's header and accepts its handshake. */
export async function acceptComponent(peer: FakePeer): Promise<void> {
  await peer.take(HEADER);
  peer.write(
    `<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ${STREAM} id='s1' from='c.test'>`,
  );
  await peer.take(/<handshake>\w+<\/handshake>/);
  peer.write("<handshake/>");
}

const clientHeader = (features: string): string =>
  `<?xml version='1.0'?><stream:stream xmlns='jabber:client' ${STREAM} id='s1' from='example.test' version='1.0'>` +
  `<stream:features>${features}</stream:features>`;

export interface ClientScript {
  readonly certificate: Certificate;
  /** Whether Stream Management is offered. Default true. */
  readonly streamManagement?: boolean;
  /** Further features after the login. */
  readonly features?: string;
  /** Default true: PLAIN is accepted. */
  readonly accept?: boolean;
}

/** Accepts a client's STARTTLS and new header, and offers `features`. Resolves with the server name it requested. */
export async function acceptTls(peer: FakePeer, certificate: Certificate, features: string): Promise<string> {
  await peer.take(HEADER);
  peer.write(clientHeader("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"));
  await peer.take(/<starttls[^>]*>/);
  peer.write("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  const serverName = await upgrade(peer, certificate);
  await peer.take(HEADER);
  peer.write(clientHeader(features));
  return serverName;
}

/**
 * Accepts a client's STARTTLS and PLAIN, up to the features of its session. Resolves with the server name that the
 * client requested.
 */
export async function acceptLogin(peer: FakePeer, script: ClientScript): Promise<string> {
  const sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
  const mechanisms = ["ANONYMOUS", "PLAIN"].map((name) => `<mechanism>${name}</mechanism>`).join("");
  const offer = `<mechanisms ${sasl}>${mechanisms}</mechanisms>`;
  const serverName = await acceptTls(peer, script.certificate, offer);
  await peer.take(/<auth[^>]*mechanism="PLAIN"[^>]*>[^<]*<\/auth>/);
  if (script.accept === false) {
    peer.write(`<failure ${sasl}><not-authorized/></failure>`);
    return serverName;
  }
  peer.write(`<success ${sasl}/>`);
  await peer.take(HEADER);
  peer.write(clientHeader(sessionFeatures(script)));
  return serverName;
}

/** Features that the server offers after the login. */
export function sessionFeatures(script: ClientScript): string {
  const sm = script.streamManagement === false ? "" : "<sm xmlns='urn:xmpp:sm:3'/>";
  return `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>${sm}${script.features ?? ""}`;
}

/** Binds the requested resource, and enables Stream Management as session `smId`. */
export async function acceptBind(peer: FakePeer, script: ClientScript, smId = "sm1"): Promise<void> {
  const [, resource = ""] = await peer.take(/<resource>([\w-]*)[^<]*<\/resource><\/bind><\/iq>/);
  const jid = `<jid>bob@example.test/${resource}</jid>`;
  peer.write(`<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${jid}</bind></iq>`);
  if (script.streamManagement === false) return;
  await peer.take(/<enable[^>]*>/);
  peer.write(`<enabled xmlns='urn:xmpp:sm:3' id='${smId}' resume='true'/>`);
}
