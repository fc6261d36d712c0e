import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { FederationOptions } from "./types.js";

/** RFC 1035 §4.1.1 and §4.1.2: bytes of the header, and of the fields after a question's name. */
const HEADER_BYTES = 12;
const QUESTION_TAIL_BYTES = 4;
/** RFC 2782. */
const TYPE_SRV = 33;
const CLASS_IN = 1;
const NXDOMAIN = 3;
/** Target of a domain that has no server here: the root (RFC 2782). */
const NOWHERE = "";
const SERVICE = "_xmpp-server._tcp.";

/** A DNS server on 127.0.0.1. It knows only the addresses of the federation's other servers. */
export interface NameServer {
  /** UDP port. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Starts a name server, for XMPP servers that find other servers only by DNS and can be told which name server to use.
 */
export async function startNameServer(federation: FederationOptions): Promise<NameServer> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const answer = answerQuery(query, federation);
    if (answer !== undefined) socket.send(answer, port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  // The socket alone does not keep our process alive. The server's process does, if that is wanted.
  socket.unref();
  return {
    port: socket.address().port,
    close: () =>
      new Promise((resolve) => {
        socket.close(resolve);
      }),
  };
}

/** The answer to a query. Undefined if the query is not a question that a server would ask. Exported for its test. */
export function answerQuery(query: Buffer, { domains, port }: FederationOptions): Buffer | undefined {
  const question = readQuestion(query);
  if (question === undefined) return undefined;
  const { name, isSrv, end } = question;
  const found = isSrv && name.startsWith(SERVICE);
  const known = found && domains.includes(name.slice(SERVICE.length));
  const header = Buffer.from(query.subarray(0, HEADER_BYTES));
  // RFC 1035 §4.1.1: an authoritative response. It copies the bit "recursion desired", and offers no recursion.
  header[2] = 0x84 | ((query[2] as number) & 1);
  header[3] = found ? 0 : NXDOMAIN;
  for (const [index, count] of [1, found ? 1 : 0, 0, 0].entries()) header.writeUInt16BE(count, 4 + index * 2);
  const parts = [header, query.subarray(HEADER_BYTES, end)];
  if (found) parts.push(known ? srvRecord("localhost", port) : srvRecord(NOWHERE, 0));
  return Buffer.concat(parts);
}

function readQuestion(query: Buffer): { name: string; isSrv: boolean; end: number } | undefined {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = query[at];
    // A question has no pointers (§4.1.4), so a length above 63 bytes is not a label.
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    labels.push(query.toString("latin1", at, at + length).toLowerCase());
    at += length;
  }
  const end = at + QUESTION_TAIL_BYTES;
  if (end > query.length || query.readUInt16BE(4) !== 1 || ((query[2] as number) & 0x80) !== 0)
    return undefined;
  const isSrv = query.readUInt16BE(at) === TYPE_SRV && query.readUInt16BE(at + 2) === CLASS_IN;
  return { name: labels.join("."), isSrv, end };
}

/**
 * SRV record with a target of one label, or of none. Its name is a pointer to the question's name (§4.1.4). TTL 0: not
 * cached.
 */
function srvRecord(target: string, port: number): Buffer {
  const label = Buffer.from(
    target === "" ? "\0" : `${String.fromCharCode(target.length)}${target}\0`,
    "latin1",
  );
  const record = Buffer.alloc(18);
  record.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
  record.writeUInt16BE(TYPE_SRV, 2);
  record.writeUInt16BE(CLASS_IN, 4);
  record.writeUInt16BE(6 + label.length, 10);
  record.writeUInt16BE(port, 16);
  return Buffer.concat([record, label]);
}
