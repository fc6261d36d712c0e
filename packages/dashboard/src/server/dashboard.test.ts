import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { createDashboard, serveFiles, type Dashboard, type DashboardOptions } from "./dashboard.js";
import { createFile } from "./page-files.js";

const SETTINGS = { component: "streams.example.org", websocketUrl: "ws://127.0.0.1:5280/xmpp-websocket" };
const TOKEN = "0123456789abcdef";
const IMPORT_MAP = '{"imports":{}}';

let dashboard: Dashboard | undefined;
afterEach(() => dashboard?.stop());

async function serve(options: Partial<DashboardOptions> = {}): Promise<void> {
  const page = `<script type="importmap">${IMPORT_MAP}</script>`;
  const files = new Map([
    ["/", await createFile(Buffer.from(page), "text/html; charset=utf-8")],
    ["/page/main.js", await createFile(Buffer.from("start()"), "text/javascript; charset=utf-8")],
  ]);
  dashboard = await serveFiles({ settings: SETTINGS, ...options }, files);
}

/** Sends a path as it is, which `fetch` does not. */
async function get(
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<{ status: number | undefined; headers: IncomingMessage["headers"]; text: string }> {
  const { hostname, port } = new URL(dashboard?.url ?? "");
  const sent = httpRequest({ hostname, port, path, headers, method });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return { status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() };
}

describe("the page's server", () => {
  it("serves the page, its settings and nothing else", async () => {
    await serve();
    expect(await get("/")).toMatchObject({ status: 200, text: expect.stringContaining("importmap") });
    expect(await get("/page/main.js?v=1")).toMatchObject({ status: 200, text: "start()" });
    const settings = await get("/settings.json");
    expect(JSON.parse(settings.text)).toEqual({ ...SETTINGS, hasComparison: false });
    expect(settings.headers["cache-control"]).toBe("no-store");
    for (const path of [
      ...["/../package.json", "/page/../../package.json", "/page/%2e%2e/package.json", "//etc/passwd"],
      ...["/page/", "/page", "/constructor", "/comparison.json", "http://127.0.0.1/x", "/page/main.js/.."],
    ])
      expect(await get(path), path).toMatchObject({ status: 404 });
    expect(await get("/", {}, "POST")).toMatchObject({ status: 405 });
    expect(await get("/page/main.js", {}, "HEAD")).toMatchObject({ status: 200, text: "" });
  });

  it("sends strict headers with every answer", async () => {
    await serve();
    for (const path of ["/", "/settings.json", "/none"]) {
      const { headers } = await get(path);
      const policy = headers["content-security-policy"];
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("connect-src 'self' ws://127.0.0.1:5280;");
      expect(policy).toMatch(/script-src 'self' 'sha256-[\w+/=]{44}';/);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
      });
    }
    await dashboard?.stop();
    await serve({ settings: { component: "streams.example.org" } });
    expect((await get("/")).headers["content-security-policy"]).toContain("connect-src 'self' wss: https:;");
  });

  it("lets a browser keep the files, and compresses them", async () => {
    await serve();
    const { headers } = await get("/page/main.js", { "accept-encoding": "br, gzip" });
    expect(headers).toMatchObject({ "cache-control": "no-cache", "content-encoding": "gzip" });
    const again = await get("/page/main.js", { "if-none-match": headers.etag as string });
    expect(again).toMatchObject({ status: 304, text: "" });
  });

  it("answers only to the names of this machine, so that no other site's name leads here", async () => {
    await serve();
    for (const host of ["localhost", "127.0.0.1:80", "[::1]:8080", "LOCALHOST:1"])
      expect(await get("/settings.json", { host }), host).toMatchObject({ status: 200 });
    for (const host of [
      "evil.example",
      "127.0.0.1.evil.example",
      "localhost.evil.example:80",
      "10.0.0.1",
      "::1",
    ])
      expect(await get("/settings.json", { host }), host).toMatchObject({ status: 421 });
  });

  it("takes the token once, and then its cookie", async () => {
    await serve({ token: TOKEN });
    const evil = { host: "dashboard.example.org" };
    for (const path of [
      "/",
      "/settings.json",
      "/page/main.js",
      "/?token=",
      `/?token=${TOKEN}x`,
      "/?token=wrong",
    ])
      expect(await get(path, evil), path).toMatchObject({ status: 401 });
    const given = await get(`/?token=${TOKEN}`, evil);
    expect(given).toMatchObject({ status: 303, headers: { location: "/" } });
    const [cookie = ""] = given.headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/; HttpOnly; SameSite=Lax; Path=\/$/);
    expect(cookie).not.toContain(TOKEN);
    const [pair = ""] = cookie.split(";");
    expect(await get("/settings.json", { ...evil, cookie: `a=b; ${pair}` })).toMatchObject({ status: 200 });
    expect(await get("/settings.json", { ...evil, cookie: `${pair}x` })).toMatchObject({ status: 401 });
    // The token is no cookie.
    const copied = `stanzapack-dashboard=${TOKEN}`;
    expect(await get("/settings.json", { ...evil, cookie: copied })).toMatchObject({ status: 401 });
  });

  it("serves a comparison where there is one", async () => {
    await serve({ comparison: () => ({ rows: [] }) });
    expect((await get("/comparison.json")).text).toBe('{"rows":[]}');
    expect(JSON.parse((await get("/settings.json")).text)).toMatchObject({ hasComparison: true });
  });

  it("says which port is taken", async () => {
    await serve();
    const port = Number(new URL(dashboard?.url ?? "").port);
    await expect(serveFiles({ settings: SETTINGS, port }, new Map())).rejects.toMatchObject({
      code: "unreachable",
      text: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });
});

describe("a page that strangers could read", () => {
  it.each<[string, Partial<DashboardOptions>, string]>([
    ["no token", { host: "0.0.0.0" }, "needs a token"],
    ["no token, by a name", { host: "dashboard.example.org" }, "needs a token"],
    ["a short token", { host: "0.0.0.0", token: "0123456789abcde" }, "has 15 characters"],
    ["a short token at loopback", { token: "short" }, "has 5 characters"],
  ])("is not served: %s", async (_, options, text) => {
    await expect(createDashboard({ settings: SETTINGS, ...options })).rejects.toMatchObject({
      code: "invalid-options",
      text: expect.stringContaining(text),
    });
  });
});
