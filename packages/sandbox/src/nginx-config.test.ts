import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { fillIn, renderMain, type NginxSettings } from "./nginx-config.js";
import { readNginxLog } from "./nginx.js";
import { readTemplate } from "./site.js";

const settings: NginxSettings = {
  ports: { https: 20_001, http: 20_002 },
  upstream: "127.0.0.1:20003",
  ...{ certificateFile: "/c/server.pem", keyFile: "/c/server-key.pem" },
  ...{ gzip: true, http2: true, webSocket: "pass", origins: [] },
};

describe("nginx", () => {
  const fill = async (over: Partial<NginxSettings> = {}): Promise<string> =>
    fillIn(await readTemplate("nginx/stanzapack.conf"), { ...settings, ...over });

  test("runs with the operators' file, on loopback only", async () => {
    expect(await readFile("docker/nginx/stanzapack.conf", "utf8")).toBe(
      await readTemplate("nginx/stanzapack.conf"),
    );
    const text = await fill();
    expect(text.match(/^ *listen [^;]*;/gm)).toEqual([
      "    listen 127.0.0.1:20001 ssl http2;",
      "    listen 127.0.0.1:20002;",
    ]);
    expect(text).not.toMatch(/example\.org|5280/);
    expect(renderMain((name) => `/s/${name}`)).toContain(`include "/s/stanzapack.conf";`);
  });

  test("does what it is asked", async () => {
    const text = await fill({
      ...{ gzip: false, gzipMinLengthBytes: 7, http2: false },
      ...{ webSocket: 403, origins: ["http://127.0.0.1:1"] },
    });
    for (const line of [
      "gzip off;",
      "gzip_min_length 7;",
      "listen 127.0.0.1:20001 ssl;",
      "return 403;",
      `"http://127.0.0.1:1" $http_origin;`,
    ])
      expect(text).toContain(line);
    expect(await fill({ webSocket: "strip" })).toContain(`proxy_set_header Upgrade "";`);
  });

  test("is ready with its worker, and not when a port was taken", () => {
    const log = '2026/01/01 00:00:00 [notice] 1#1: using the "epoll" event method\n';
    expect(readNginxLog(log)).toBe("starting");
    expect(readNginxLog(`${log}2026/01/01 00:00:00 [notice] 1#1: start worker process 2\n`)).toBe("ready");
    const failure = "[emerg] 1#1: bind() to 127.0.0.1:20001 failed (98: Address already in use)\n";
    expect(readNginxLog(log + failure)).toBe("port-taken");
  });
});
