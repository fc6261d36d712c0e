import { spawn } from "node:child_process";

export interface Certificate {
  /** PEM of the key, and of the certificate, which is its own authority. */
  readonly key: string;
  readonly cert: string;
}

/** A new certificate for one address. Uses the command openssl, which the servers' packages need too. */
export async function createCertificate(address: string): Promise<Certificate> {
  const pem = await openssl([
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"],
    ...["-days", "2", "-subj", "/CN=bench", "-addext", `subjectAltName=IP:${address}`],
    // The machine's openssl.cnf may add extensions a second time.
    ...["-config", "/dev/null", "-keyout", "-", "-out", "-"],
  ]);
  const part = (what: string): string =>
    new RegExp(`-----BEGIN ${what}-----[^]*?-----END ${what}-----\n`).exec(pem)?.[0] ?? "";
  return { key: part("PRIVATE KEY"), cert: part("CERTIFICATE") };
}

function openssl(args: readonly string[]): Promise<string> {
  const child = spawn("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      if (status === 0) resolve(said.stdout);
      else reject(new Error(`openssl failed: ${said.stderr.trim()}`));
    });
  });
}
