import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFile } from "node:fs/promises";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ejabberd, mergeMaps } from "./ejabberd.js";
import { prosody } from "./prosody.js";
import type { Site, SiteSettings } from "./site.js";
import { writeFile } from "node:fs/promises";

const folder = mkdtempSync(join(tmpdir(), "sandbox-recipes-"));
mkdirSync(join(folder, "modules"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const path = (name: string): string => join(folder, name);
const site: Site = {
  folder,
  path,
  write: (name, text) => writeFile(path(name), text),
  makeFolder: () => Promise.resolve(),
  adopt: () => Promise.resolve(),
};
const ports = { c2s: 20_001, component: 20_002, http: 20_003 };
const settings: SiteSettings = {
  settings: "stock",
  compress: false,
  sasl2: false,
  componentTls: false,
  domains: ["localhost"],
  federation: undefined,
  nameServerPort: undefined,
  ports,
  certificates: { caFile: "/c/ca.pem", ca: "", certificateFile: "/c/server.pem", keyFile: "/c/key.pem" },
  components: [{ domain: "streams.localhost", secret: "s3cret" }],
};
const federated: SiteSettings = {
  ...settings,
  domains: ["a.test", "c.test"],
  ports: { ...ports, s2s: 20_004 },
  federation: { domains: ["b.test", "streams.b.test"], port: 20_005 },
  nameServerPort: 20_006,
};

const several: SiteSettings = {
  ...settings,
  components: [
    { domain: "streams.localhost", secret: "s3cret" },
    { domain: "streams2.localhost", secret: "s3cret2" },
    { domain: "streams3.localhost", secret: "s3cret3" },
  ],
};

describe("Prosody", () => {
  const configure = async (kind: SiteSettings["settings"]): Promise<string> => {
    await prosody.configure(site, { ...settings, settings: kind });
    return readFile(path("prosody.cfg.lua"), "utf8");
  };

  test("recommended adds the operators' file after the stock one", async () => {
    expect(await configure("stock")).not.toContain("stanzapack.cfg.lua");
    const text = await configure("recommended");
    expect(text.indexOf("stock.cfg.lua")).toBeLessThan(text.indexOf("stanzapack.cfg.lua"));
    expect(text).toContain(`Component "streams.localhost"\n\tcomponent_secret = "s3cret"`);
  });

  test("accepts several components, each with a secret of its own", async () => {
    await prosody.configure(site, several);
    const text = await readFile(path("prosody.cfg.lua"), "utf8");
    for (const { domain, secret } of several.components)
      expect(text).toContain(`Component "${domain}"\n\tcomponent_secret = "${secret}"`);
  });

  test("offers compression only when asked to, by the operators' module", async () => {
    expect(await configure("recommended")).not.toContain("stanzapack_compression");
    await prosody.configure(site, { ...settings, compress: true });
    const text = await readFile(path("prosody.cfg.lua"), "utf8");
    expect(text).toContain(`VirtualHost "localhost"\n\tmodules_enabled = { "stanzapack_compression" }`);
    expect(text).toContain(path("modules"));
    expect(await readFile(path("modules/mod_stanzapack_compression.lua"), "utf8")).toBe(
      await readFile("docker/prosody/mod_stanzapack_compression.lua", "utf8"),
    );
  });

  test("offers SASL2 only when asked to, along with compression", async () => {
    await prosody.configure(site, { ...settings, compress: true, sasl2: true });
    expect(await readFile(path("prosody.cfg.lua"), "utf8")).toContain(
      `modules_enabled = { "stanzapack_compression"; "stanzapack_sasl2" }`,
    );
  });

  test("serves other servers only when asked to, and finds those alone that are named", async () => {
    expect(await configure("stock")).toContain(`s2s_ports = {  }`);
    await prosody.configure(site, federated);
    const text = await readFile(path("prosody.cfg.lua"), "utf8");
    for (const line of [
      `s2s_ports = { 20004 }`,
      `stanzapack_federation_domains = { "b.test"; "streams.b.test" }`,
      `stanzapack_federation_port = 20005`,
      `VirtualHost "a.test"\n\tmodules_enabled = { "stanzapack_federation" }`,
      `VirtualHost "c.test"\n\tmodules_enabled = { "stanzapack_federation" }`,
    ])
      expect(text).toContain(line);
  });

  test("is ready when the log names all three ports, and not when one was taken", () => {
    const line = (service: string, port: number): string =>
      `Activated service '${service}' on [127.0.0.1]:${port}\n`;
    const log = line("c2s", 20_001) + line("component", 20_002);
    expect(prosody.readLog(log, ports)).toBe("starting");
    expect(prosody.readLog(log + line("http", 20_003), ports)).toBe("ready");
    const failure = "portmanager\terror\tFailed to open server port 20003 on 127.0.0.1, address in use\n";
    expect(prosody.readLog(log + failure, ports)).toBe("port-taken");
  });
});

describe("ejabberd", () => {
  const configure = async (kind: SiteSettings["settings"]): Promise<Record<string, never>> => {
    await ejabberd.configure(site, { ...settings, settings: kind });
    return parse(await readFile(path("ejabberd.yml"), "utf8")) as Record<string, never>;
  };

  test("every TCP listener is on loopback, with the sandbox's ports", async () => {
    const { listen } = (await configure("stock")) as unknown as { listen: { port: number; ip: string }[] };
    const tcp = listen.filter(({ port }) => typeof port === "number");
    expect(tcp.map(({ ip }) => ip)).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
    expect(tcp.map(({ port }) => port).sort()).toEqual([20_001, 20_002, 20_003]);
  });

  test("a component gets the stanzas of its own domain only", async () => {
    const { listen } = (await configure("stock")) as unknown as { listen: Record<string, unknown>[] };
    const service = listen.find(({ module }) => module === "ejabberd_service");
    expect(service).toMatchObject({ global_routes: false });
  });

  test("accepts several components at one listener, each with a secret of its own", async () => {
    await ejabberd.configure(site, several);
    const { listen } = parse(await readFile(path("ejabberd.yml"), "utf8")) as { listen: readonly object[] };
    const hosts = Object.fromEntries(
      several.components.map(({ domain, secret }) => [domain, { password: secret }]),
    );
    expect(listen).toContainEqual(expect.objectContaining({ hosts, global_routes: false }));
  });

  test("serves other servers only when asked to, and finds those alone that are named", async () => {
    const { listen } = (await configure("stock")) as unknown as { listen: readonly object[] };
    expect(listen).not.toContainEqual(expect.objectContaining({ module: "ejabberd_s2s_in" }));
    await ejabberd.configure(site, federated);
    const config = parse(await readFile(path("ejabberd.yml"), "utf8")) as {
      readonly listen: readonly object[];
    };
    expect(config).toMatchObject({ hosts: ["a.test", "c.test"], s2s_max_retry_delay: 1 });
    expect(config.listen).toContainEqual(
      expect.objectContaining({ module: "ejabberd_s2s_in", ip: "127.0.0.1", port: 20_004 }),
    );
    expect(await readFile(path("inetrc"), "utf8")).toMatch(
      /\n\{resolv_conf,""\}\.\n\{nameserver,\{127,0,0,1\},20006\}\.\n$/,
    );
  });

  test("offers compression only when asked to", async () => {
    expect(await configure("stock")).not.toHaveProperty("listen.0.zlib");
    await ejabberd.configure(site, { ...settings, compress: true });
    expect(parse(await readFile(path("ejabberd.yml"), "utf8"))).toHaveProperty("listen.0.zlib", true);
  });

  test("recommended replaces what the operators' file names and nothing else", async () => {
    const stock = await configure("stock");
    const recommended = await configure("recommended");
    expect(stock["shaper"]).toEqual({ normal: { rate: 3000, burst_size: 20_000 }, fast: 200_000 });
    expect(recommended["shaper"]).toEqual({
      normal: { rate: 256_000, burst_size: 1_000_000 },
      fast: 200_000,
    });
    expect(recommended["modules"]).toEqual(stock["modules"]);
  });

  test("mergeMaps replaces lists and scalars, joins maps, leaves its arguments", () => {
    const base = { a: { b: 1, c: [1, 2] }, d: 1 };
    expect(mergeMaps(base, { a: { c: [3] }, e: 2 })).toEqual({ a: { b: 1, c: [3] }, d: 1, e: 2 });
    expect(base).toEqual({ a: { b: 1, c: [1, 2] }, d: 1 });
  });
});
