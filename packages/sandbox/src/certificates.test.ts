import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createCertificates } from "./certificates.js";

test("a certificate for its domains by an authority whose key is gone", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sandbox-certificates-"));
  try {
    const { ca, certificateFile } = await createCertificates(folder, ["localhost", "streams.localhost"]);
    const certificate = new X509Certificate(await readFile(certificateFile));
    const authority = new X509Certificate(ca);
    expect(certificate.checkHost("localhost")).toBe("localhost");
    expect(certificate.checkHost("streams.localhost")).toBe("streams.localhost");
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(certificate.ca).toBe(false);
    expect(authority.ca).toBe(true);
    expect(certificate.checkIssued(authority) && certificate.verify(authority.publicKey)).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(["ca.pem", "server-key.pem", "server.pem"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
