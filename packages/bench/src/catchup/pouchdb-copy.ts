import { createRequire } from "node:module";
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { DemoError } from "../demo/failure.js";
import type { Changes, Copy, Reading } from "./rows.js";

/** Documents of one write while the database is filled. */
const BATCH = 5_000;
const HOST = "127.0.0.1";
const PACKAGES = "pouchdb pouchdb-adapter-memory express-pouchdb express";

/** The parts of PouchDB that a copy needs. */
interface Database {
  bulkDocs(docs: readonly object[]): Promise<readonly { readonly id: string; readonly rev?: string }[]>;
  get(id: string): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}
interface DatabaseClass {
  new (name: string, options?: object): Database;
  plugin(plugin: unknown): DatabaseClass;
  defaults(options: object): DatabaseClass;
  replicate(from: string | Database, to: Database, options?: object): Promise<unknown>;
}
interface App {
  use(path: string, handler: unknown): void;
  listen(port: number, host: string, listening: () => void): Server;
}

/**
 * A PouchDB in memory that replicates from a PouchDB server over HTTP. A document for each key. Bytes of both
 * directions are counted on the TCP connections. The packages are those of `folder`, because nobody else needs them.
 */
export async function createPouchDbCopy(folder: string, signal: AbortSignal): Promise<Copy> {
  const load = createRequire(join(folder, "package.json"));
  let parts: readonly [
    DatabaseClass,
    unknown,
    (databases: DatabaseClass, options: object) => unknown,
    () => App,
  ];
  try {
    parts = PACKAGES.split(" ").map((name) => load(name) as unknown) as unknown as typeof parts;
  } catch (error) {
    const install = `npm install --prefix DIR ${PACKAGES}`;
    const text = `PouchDB is not in ${folder}: \`${install}\`, and name DIR by --modules`;
    throw new DemoError("unsupported", text, [String(error)]);
  }
  const [PouchDb, adapter, serve, express] = parts;
  const Memory = PouchDb.plugin(adapter).defaults({ adapter: "memory" });
  const app = express();
  app.use("/", serve(Memory, { mode: "minimumForPouchDB", inMemoryConfig: true }));
  const http = await new Promise<Server>((resolve) => {
    const server = app.listen(0, HOST, () => resolve(server));
  });
  const counter = await countBytes(portOf(http));
  const [master, copy] = [new Memory("sensors"), new Memory("copy")];
  const revisions = new Map<string, string>();
  const put = async (changes: Changes): Promise<void> => {
    const all = [...changes];
    for (let at = 0; at < all.length; at += BATCH) {
      signal.throwIfAborted();
      const docs = all.slice(at, at + BATCH).map(([key, value]) => {
        const rev = revisions.get(key);
        return { _id: key, ...(rev === undefined ? {} : { _rev: rev }), ...value };
      });
      for (const { id, rev } of await master.bulkDocs(docs)) if (rev !== undefined) revisions.set(id, rev);
    }
  };
  return {
    async catchUp(changes) {
      await put(changes);
      const bytesBefore = counter.bytes();
      const before = performance.now();
      // `Memory` would take the address for the name of a database in memory.
      const remote = new PouchDb(`http://${HOST}:${counter.port}/sensors`);
      await PouchDb.replicate(remote, copy, { batch_size: 1_000 });
      const ms = performance.now() - before;
      const [key, value] = [...changes].at(-1) as [string, Reading];
      const held = await copy.get(key);
      if (held["t"] !== value.t) throw new DemoError("internal", `PouchDB has another value of ${key}`);
      return { bytes: counter.bytes() - bytesBefore, ms };
    },
    async close() {
      counter.close();
      http.close();
      http.closeAllConnections?.();
      await copy.close();
      await master.close();
    },
  };
}

declare module "node:net" {
  interface Server {
    closeAllConnections?(): void;
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Passes TCP connections on to a port, and counts their bytes. */
async function countBytes(to: number): Promise<{ readonly port: number; bytes(): number; close(): void }> {
  let bytes = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp(to, HOST);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("data", (part: Buffer) => (bytes += part.length));
      one.on("error", () => other.destroy());
      one.on("close", () => sockets.delete(one));
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return {
    port: portOf(server),
    bytes: () => bytes,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
