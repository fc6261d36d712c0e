import { describe, expect, it } from "vitest";
import { isLoopback, parseServiceUrl, toTarget } from "./service-url.js";

describe("service addresses", () => {
  it.each([
    ["xmpp://example.test", { host: "example.test", port: 5222, directTls: false }],
    ["xmpp://127.0.0.1:5000", { host: "127.0.0.1", port: 5000, directTls: false }],
    ["xmpps://[::1]:5001", { host: "::1", port: 5001, directTls: true }],
    ["xmpp://MÜNCHEN.example:80", { host: "xn--mnchen-3ya.example", port: 80, directTls: false }],
    ["xmpps://m%C3%BCnchen.example", { host: "xn--mnchen-3ya.example", port: 5223, directTls: true }],
    ["xmpps://example.test", { host: "example.test", port: 5223, directTls: true }],
  ])("reads %s", (text, target) => {
    const service = parseServiceUrl(text);
    expect(service.transport).toBe("tcp");
    expect(toTarget(service.url)).toEqual(target);
  });

  it.each([
    ["ws://127.0.0.1:5280/xmpp-websocket", "websocket", true],
    ["wss://example.test/ws?x=1", "websocket", false],
    ["http://localhost:5280/http-bind", "bosh", true],
    ["http://[::1]/http-bind", "bosh", true],
    ["https://example.test/http-bind", "bosh", false],
    ["xmpp://LOCALHOST", "tcp", true],
    ["http://127.0.0.1.example.test/", "bosh", false],
  ])("knows what %s is for", (text, transport, local) => {
    const service = parseServiceUrl(text);
    expect(service.transport).toBe(transport);
    expect(isLoopback(service.url)).toBe(local);
  });

  it("writes hosts of any letters as DNS does", () => {
    for (const scheme of ["xmpp", "xmpps", "ws", "wss", "http", "https"])
      expect(parseServiceUrl(`${scheme}://münchen.example:5280/x`).url.host).toBe(
        "xn--mnchen-3ya.example:5280",
      );
  });

  it.each([
    "",
    "example.test:5222",
    "ftp://example.test",
    "xmpp://",
    "xmpp://:5222",
    "xmpp://a:99999",
    "xmpp://münchen.1",
    "https://user@a/",
    "https://a:b@c/",
  ])("refuses %j", (text) => {
    expect(() => parseServiceUrl(text)).toThrow(TypeError);
  });
});
