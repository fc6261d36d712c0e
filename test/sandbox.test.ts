import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
} from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSandbox, type Sandbox, type SandboxAccount, type SandboxComponent } from "@stanzapack/sandbox";
import { inTurn } from "./support/whole.js";

const SERVERS = ["prosody", "ejabberd"] as const;
const SETTINGS = ["stock", "recommended"] as const;

describe.each(
  SERVERS.flatMap((server) => inTurn(server, SETTINGS).map((settings) => ({ server, settings }))),
)("$server, $settings", ({ server, settings }) => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await startSandbox({ server, settings, users: ["ann", "bob.b-2"] });
  });
  afterAll(() => sandbox.stop());

  test("names what it runs", () => {
    expect(sandbox.accounts.map(({ jid }) => jid)).toEqual(["ann@localhost", "bob.b-2@localhost"]);
    expect(sandbox.components.map(({ domain }) => domain)).toEqual(["streams.localhost", "basic.localhost"]);
    expect(readFileSync(`/proc/${sandbox.pid}/cmdline`, "utf8")).toMatch(
      server === "prosody" ? /prosody/ : /beam/,
    );
    expect(readFileSync(sandbox.caFile, "utf8")).toBe(sandbox.ca);
  });

  test("c2s offers STARTTLS, its certificate verifies for localhost, accounts can log in", async () => {
    for (const account of sandbox.accounts) expect(await logIn(sandbox, account)).toBe("success");
    const [account] = sandbox.accounts as [SandboxAccount];
    expect(await logIn(sandbox, { ...account, password: "wrong" })).toBe("failure");
  });

  test("each component gets in with its own secret only", async () => {
    const [first, second] = sandbox.components as [SandboxComponent, SandboxComponent];
    expect(await shakeHands(sandbox, first)).toContain("<handshake/>");
    expect(await shakeHands(sandbox, second)).toContain("<handshake/>");
    expect(await shakeHands(sandbox, { ...first, secret: second.secret })).toContain("not-authorized");
  });

  test("BOSH and WebSocket answer with what a login needs", async () => {
    const rid = String(Date.now());
    const body =
      `<body xmlns='http://jabber.org/protocol/httpbind' rid='${rid}' to='localhost' wait='1' hold='1' ` +
      `xml:lang='en' ver='1.6' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>`;
    const answer = await fetch(sandbox.boshUrl, {
      method: "POST",
      body,
      headers: { "content-type": "text/xml" },
    });
    expect(await answer.text()).toContain("SCRAM-SHA-1");
    const handshake = await upgradeToWebSocket(sandbox);
    expect(handshake).toMatch(/^HTTP\/1.1 101 /);
    expect(handshake.toLowerCase()).toMatch(/sec-websocket-protocol: ?xmpp/);
  });

  test("restart keeps ports, accounts and secrets; crash and start too", async () => {
    const before = sandbox.pid;
    const added = await sandbox.addUser("zoe");
    await sandbox.restart();
    expect(sandbox.pid).not.toBe(before);
    expect(await logIn(sandbox, added)).toBe("success");
    await sandbox.crash();
    expect(sandbox.running).toBe(false);
    await expect(tcp(sandbox.ports.c2s)).rejects.toThrow("ECONNREFUSED");
    await sandbox.start();
    await sandbox.start();
    for (const account of sandbox.accounts) expect(await logIn(sandbox, account)).toBe("success");
    expect(await shakeHands(sandbox, sandbox.components[0] as SandboxComponent)).toContain("<handshake/>");
  });

  test("stop leaves neither process nor folder", async () => {
    const folder = dirname(sandbox.caFile);
    expect(processesIn(folder)).not.toEqual([]);
    await Promise.all([sandbox.stop(), sandbox.stop()]);
    expect(processesIn(folder)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
    await expect(sandbox.start()).rejects.toMatchObject({ code: "stopped" });
  });
});

test("four at once have ports and folders of their own", async () => {
  const sandboxes = await Promise.all([...SERVERS, ...SERVERS].map((server) => startSandbox({ server })));
  try {
    const ports = sandboxes.flatMap(({ ports }) => Object.values(ports) as number[]);
    expect(new Set(ports).size).toBe(12);
    for (const sandbox of sandboxes) {
      for (const account of sandbox.accounts) expect(await logIn(sandbox, account)).toBe("success");
    }
  } finally {
    await Promise.all(sandboxes.map((sandbox) => sandbox.stop()));
  }
});

test.each(SERVERS)("%s: 1,000 accounts in less than a minute, on a busy machine too", async (server) => {
  const startedAt = performance.now();
  const sandbox = await startSandbox({ server, users: 1000 });
  const tookMs = performance.now() - startedAt;
  try {
    expect(sandbox.accounts).toHaveLength(1000);
    for (const index of [0, 500, 999]) {
      expect(await logIn(sandbox, sandbox.accounts[index] as SandboxAccount)).toBe("success");
    }
    expect(tookMs).toBeLessThan(60_000);
  } finally {
    await sandbox.stop();
  }
});

test("start waits for a port that somebody holds for a moment", async () => {
  const sandbox = await startSandbox({ server: "prosody" });
  try {
    await sandbox.halt();
    const holder = createServer().listen(sandbox.ports.component, "127.0.0.1");
    await once(holder, "listening");
    setTimeout(() => holder.close(), 300);
    await sandbox.start();
    expect(await shakeHands(sandbox, sandbox.components[0] as SandboxComponent)).toContain("<handshake/>");
  } finally {
    await sandbox.stop();
  }
});

describe.each(SERVERS)("%s, when it does not get ready", (server) => {
  let folder: string;
  const before = process.env["TMPDIR"];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sandbox-test-"));
    chmodSync(folder, 0o711);
    process.env["TMPDIR"] = folder;
  });
  afterEach(() => {
    expect(processesIn(folder)).toEqual([]);
    // Throws if the folder is not empty.
    rmdirSync(folder);
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  });

  test("for an abort: the reason comes out, nothing is left", async () => {
    const signal = AbortSignal.timeout(50);
    await expect(startSandbox({ server, signal })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("in time: the error has the log's end, nothing is left", async () => {
    await expect(startSandbox({ server, timeoutMs: 1 })).rejects.toMatchObject({ code: "not-ready" });
  });
});

describe.each(SERVERS)("%s, when its parent ends without a word", (server) => {
  test.each(["SIGTERM", "SIGINT", "SIGKILL", "exit"] as const)(
    "by %s: neither process nor folder is left",
    async (how) => {
      const parent = spawn(process.execPath, ["--input-type=module", "--eval", PARENT, server, how], {
        cwd: fileURLToPath(new URL("..", import.meta.url)),
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(parent, "exit");
      const [line] = (await once(parent.stdout.setEncoding("utf8"), "data")) as [string];
      const folder = dirname(line.trim());
      if (how !== "exit") {
        expect(processesIn(folder)).not.toEqual([]);
        parent.kill(how);
      }
      await ended;
      for (
        let waitedMs = 0;
        waitedMs < 5000 && (existsSync(folder) || processesIn(folder).length > 0);
        waitedMs += 50
      ) {
        await sleep(50);
      }
      expect(folder).toMatch(/stanzapack-/);
      expect(existsSync(folder)).toBe(false);
      expect(processesIn(folder)).toEqual([]);
    },
  );
});

/** Node 20 reads no TypeScript, so this runs the output of `npm run build`. */
const PARENT = `
  import { startSandbox } from "@stanzapack/sandbox";
  const [server, how] = process.argv.slice(1);
  const { caFile } = await startSandbox({ server });
  console.log(caFile);
  if (how === "exit") process.exit(0);
  setInterval(() => undefined, 1000);
`;

/** Processes whose working folder is `folder`, or that have it in their command line. */
function processesIn(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const names = `${readlinkSync(`/proc/${pid}/cwd`)}\0${readFileSync(`/proc/${pid}/cmdline`, "utf8")}`;
        return names.includes(folder);
      } catch {
        return false; // ended meanwhile, or another user's
      }
    })
    .map(Number);
}

async function tcp(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  await once(socket, "connect");
  return socket;
}

/** Returns everything received, once it contains one of `ends`. */
function readUntil(socket: Socket, ...ends: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("utf8");
      if (ends.some((end) => text.includes(end))) settle(() => resolve(text));
    };
    const onEnd = (): void => settle(() => reject(new Error(`ended after ${JSON.stringify(text)}`)));
    const settle = (act: () => void): void => {
      socket.off("data", onData).off("close", onEnd);
      act();
    };
    socket.on("data", onData).on("close", onEnd);
  });
}

const header = (namespace: string, to: string): string =>
  `<?xml version='1.0'?><stream:stream xmlns='${namespace}' to='${to}' version='1.0' ` +
  `xmlns:stream='http://etherx.jabber.org/streams'>`;

/** Name of the element that answers a SASL PLAIN login, after STARTTLS with a verified certificate. */
async function logIn(sandbox: Sandbox, { jid, password }: SandboxAccount): Promise<string> {
  const plain = await tcp(sandbox.ports.c2s);
  try {
    plain.write(header("jabber:client", sandbox.domain));
    expect(await readUntil(plain, "</stream:features>")).toContain("urn:ietf:params:xml:ns:xmpp-tls");
    plain.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    await readUntil(plain, "<proceed");
    const tls = connectTls({ socket: plain, ca: sandbox.ca, servername: sandbox.domain });
    await once(tls, "secureConnect");
    expect(tls.authorized).toBe(true);
    tls.write(header("jabber:client", sandbox.domain));
    expect(await readUntil(tls, "</stream:features>")).toContain("SCRAM-SHA-1");
    const initial = Buffer.from(`\0${jid.split("@")[0] ?? ""}\0${password}`).toString("base64");
    tls.write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${initial}</auth>`);
    return (await readUntil(tls, "<success", "<failure")).includes("<success") ? "success" : "failure";
  } finally {
    plain.destroy();
  }
}

/** The answer to a component's handshake, XEP-0114 §3. */
async function shakeHands(sandbox: Sandbox, { domain, secret }: SandboxComponent): Promise<string> {
  const socket = await tcp(sandbox.ports.component);
  try {
    socket.write(header("jabber:component:accept", domain));
    const greeting = await readUntil(socket, "<stream:stream ");
    const id = / id=['"]([^'"]+)/.exec(greeting)?.[1] ?? "";
    socket.write(
      `<handshake>${createHash("sha1")
        .update(id + secret)
        .digest("hex")}</handshake>`,
    );
    return (await readUntil(socket, "handshake", "</stream:stream>")).replace(
      /<handshake *(\/>|><\/handshake>)/,
      "<handshake/>",
    );
  } finally {
    socket.destroy();
  }
}

async function upgradeToWebSocket(sandbox: Sandbox): Promise<string> {
  const socket = await tcp(sandbox.ports.http);
  try {
    const lines = [
      "GET /xmpp-websocket HTTP/1.1",
      `Host: 127.0.0.1:${sandbox.ports.http}`,
      "Upgrade: websocket",
    ];
    lines.push("Connection: Upgrade", `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`);
    lines.push("Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: xmpp", "", "");
    socket.write(lines.join("\r\n"));
    return await readUntil(socket, "\r\n\r\n");
  } finally {
    socket.destroy();
  }
}
