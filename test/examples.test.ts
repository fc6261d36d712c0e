import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loginEnvironment } from "./support/accounts.js";
import { startStack, type Stack } from "./support/stack.js";

const root = new URL("..", import.meta.url);
const read = (path: string): Promise<string> => readFile(new URL(path, root), "utf8");

describe("examples", () => {
  let stack: Stack;
  let folder: string;
  beforeAll(async () => {
    stack = await startStack("prosody", ["alice", "bob"]);
    folder = await mkdtemp(join(tmpdir(), "stanzapack-examples-"));
  });
  afterAll(async () => {
    await stack.stop();
    await rm(folder, { recursive: true });
  });

  function run(
    example: string,
    user: string,
    ...args: string[]
  ): { child: ChildProcess; output: Promise<string> } {
    const env = { ...process.env, ...loginEnvironment(stack.sandbox, user, folder) };
    const child = spawn(process.execPath, [new URL(example, root).pathname, ...args], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const output = new Promise<string>((resolve) => {
      let text = "";
      child.stdout?.on("data", (chunk: Buffer) => (text += chunk.toString()));
      child.on("close", () => resolve(text));
    });
    return { child, output };
  }

  it("are the ones of the client's README, and do what it says", async () => {
    const readme = await read("packages/client/README.md");
    for (const example of ["publish", "subscribe"])
      expect(readme).toContain(await read(`examples/node/${example}.mjs`));

    const publisher = run("examples/node/publish.mjs", "alice");
    const client = await stack.connect("bob");
    while ((await client.listServices()).length === 0)
      await new Promise((resolve) => setTimeout(resolve, 100));
    await client.close();
    const subscriber = run("examples/node/subscribe.mjs", "bob", "alice@localhost/load");
    const lines = (await subscriber.output).trim().split("\n");
    expect(lines).toHaveLength(20);
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+(\.\d+)?$/);
    expect(subscriber.child.exitCode).toBe(0);
    publisher.child.kill();
    expect(await publisher.output).toContain("1 listen, in windows of 1000 ms");
  });

  it("of the component's README start a component", async () => {
    const readme = await read("packages/component/README.md");
    const [, code = ""] = /```js\n([^]*?)```/.exec(readme) ?? [];
    expect(code).toContain('"stanzapack.yml"');
    const { domain, secret } = stack.sandbox.components[1] as { domain: string; secret: string };
    const config = join(folder, "stanzapack.yml");
    const port = stack.sandbox.ports.component;
    await writeFile(config, `component: { domain: ${domain}, secretFile: streams.secret, port: ${port} }\n`);
    await writeFile(join(folder, "streams.secret"), secret, { mode: 0o600 });
    const source = code.replace('"stanzapack.yml"', JSON.stringify(config));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--eval", source],
      { cwd: fileURLToPath(root) },
    );
    expect(stdout).toContain("links: 0");
  });
});
