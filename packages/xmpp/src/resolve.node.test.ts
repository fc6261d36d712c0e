import { describe, expect, it } from "vitest";
import { parseServiceUrl } from "./resolve.node.js";

describe("service addresses", () => {
  it.each([
    ["xmpp://example.test", { host: "example.test", port: 5222, directTls: false }],
    ["xmpp://127.0.0.1:5000", { host: "127.0.0.1", port: 5000, directTls: false }],
    ["xmpps://[::1]:5001", { host: "::1", port: 5001, directTls: true }],
    ["xmpps://example.test", { host: "example.test", port: 5223, directTls: true }],
  ])("reads %s", (text, target) => {
    expect(parseServiceUrl(text)).toEqual(target);
  });

  it.each(["", "example.test:5222", "http://example.test", "xmpp://", "xmpp://:5222", "xmpp://a:99999"])(
    "refuses %j",
    (text) => {
      expect(() => parseServiceUrl(text)).toThrow(TypeError);
    },
  );
});
