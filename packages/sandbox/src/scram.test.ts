import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { deriveScram } from "./scram.js";

test("keys reproduce the example of RFC 5802 §5", async () => {
  const salt = Buffer.from("QSXCR+Q6sek8bf92", "base64");
  const { serverKey, storedKey, iterations } = await deriveScram("pencil", salt);
  const nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
  const authMessage = `n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=${nonce},s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=${nonce}`;
  expect(iterations).toBe(4096);
  expect(createHmac("sha1", serverKey).update(authMessage).digest("base64")).toBe(
    "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
  );
  expect(storedKey.toString("hex")).toBe("e9d94660c39d65c38fbad91c358f14da0eef2bd6");
});

test("each account gets a salt of its own", async () => {
  const [first, second] = await Promise.all([deriveScram("same"), deriveScram("same")]);
  expect(first.storedKey.equals(second.storedKey)).toBe(false);
});
