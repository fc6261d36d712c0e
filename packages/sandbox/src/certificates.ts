import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { domainToASCII } from "node:url";
import { execa } from "execa";
import { SandboxError } from "./errors.js";

export interface Certificates {
  /** PEM of the authority that signed the server's certificate. */
  readonly caFile: string;
  readonly ca: string;
  /** PEM files of the server's certificate and of its key. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Days. Longer than any sandbox lives, shorter than the longest time that browsers accept (398 days). */
const VALID_DAYS = "90";

const NEW_KEY = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"];

/**
 * Makes an authority for this sandbox, and a certificate that it signs for at least one domain. The authority's key is
 * deleted. So nobody can sign with it later, even if somebody still trusts the authority.
 *
 * Uses the command openssl, on which both servers' packages depend. Version 3 can sign in one step.
 */
export async function createCertificates(folder: string, names: readonly string[]): Promise<Certificates> {
  // RFC 5280 §7.2
  const domains = names.map(domainToASCII);
  const caFile = join(folder, "ca.pem");
  const caKeyFile = join(folder, "ca-key.pem");
  const certificateFile = join(folder, "server.pem");
  const keyFile = join(folder, "server-key.pem");
  await openssl([
    ...[...NEW_KEY, "-days", VALID_DAYS, "-subj", "/CN=Stanzapack sandbox authority"],
    ...[
      "-addext",
      "basicConstraints=critical,CA:TRUE,pathlen:0",
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
    ],
    ...["-keyout", caKeyFile, "-out", caFile],
  ]);
  await openssl([
    ...[...NEW_KEY, "-days", VALID_DAYS, "-subj", `/CN=${domains[0]}`, "-CA", caFile, "-CAkey", caKeyFile],
    ...[
      "-addext",
      `subjectAltName=${domains.map((domain) => `DNS:${domain}`).join()},IP:127.0.0.1`,
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    ],
    ...["-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=serverAuth,clientAuth"],
    ...["-keyout", keyFile, "-out", certificateFile],
  ]);
  await rm(caKeyFile);
  return { caFile, ca: await readFile(caFile, "utf8"), certificateFile, keyFile };
}

async function openssl(args: readonly string[]): Promise<void> {
  // `-config /dev/null`: the machine's openssl.cnf may add extensions a second time.
  const result = await execa("openssl", [...args, "-config", "/dev/null"], {
    reject: false,
    stdin: "ignore",
  });
  if (result.failed) {
    throw new SandboxError(
      "not-installed",
      `openssl 3 is needed for the certificates: ${result.stderr || result.message}`,
    );
  }
}
