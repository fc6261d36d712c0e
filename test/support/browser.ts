import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium, type BrowserContext } from "playwright-core";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Debian's Chromium, which `npm run setup` installs. */
const CHROMIUM = process.env["STANZAPACK_CHROMIUM"] ?? "/usr/bin/chromium";

/**
 * Starts a real browser with its own profile, which is removed at the end. `trustAll`: also accept certificates of
 * unknown authorities.
 */
export async function launchChromium({ trustAll = false } = {}): Promise<{
  context: BrowserContext;
  close(): Promise<void>;
}> {
  const profile = await mkdtemp(join(tmpdir(), "stanzapack-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    // Root may not use Chromium's sandbox.
    chromiumSandbox: process.getuid?.() !== 0,
    ignoreHTTPSErrors: trustAll,
    viewport: { width: 1100, height: 900 },
    args: [
      ...["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
      ...["--disable-component-update", "--disable-sync"],
      // A name of this machine that is not a secure context, unlike `localhost`.
      "--host-resolver-rules=MAP insecure.test 127.0.0.1",
    ],
  });
  return {
    context,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** The example page with a fresh browser build, served as its README says. */
export async function serveExample(): Promise<{ url: string; close(): Promise<void> }> {
  await promisify(execFile)(process.execPath, [join(ROOT, "scripts/build-web.mjs")]);
  const server = spawn(process.execPath, [join(ROOT, "examples/browser/serve.mjs")], {
    env: { ...process.env, PORT: "0" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [url] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
  return {
    url,
    async close() {
      server.kill();
      await once(server, "exit");
    },
  };
}

/** Number of colours in a PNG, as the browser decodes it. */
export async function countColours(context: BrowserContext, png: Buffer): Promise<number> {
  const page = await context.newPage();
  const count = await page.evaluate<number>(`(async () => {
    const image = await createImageBitmap(await (await fetch("data:image/png;base64,${png.toString("base64")}")).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(0, 0, image.width, image.height);
    return new Set(new Uint32Array(data.buffer)).size;
  })()`);
  await page.close();
  return count;
}
