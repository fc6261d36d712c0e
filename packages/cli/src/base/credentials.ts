import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { StanzapackError } from "@stanzapack/wire";

/** The password in a file, without the end of its line. Rejects with `invalid-options` if there is none. */
export async function readPassword(file: string): Promise<string> {
  const password = (await readText(file, "--password-file")).replace(/\r?\n$/, "");
  if (password === "") throw new StanzapackError("invalid-options", `--password-file: ${file} is empty`);
  return password;
}

/** PEM text of one or more certificates (RFC 7468 §5). Rejects with `invalid-options` if the file has none. */
export async function readCertificates(file: string): Promise<string> {
  const text = await readText(file, "--ca");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0)
    throw new StanzapackError(
      "invalid-options",
      `--ca: ${file} has no certificate in PEM (-----BEGIN CERTIFICATE-----)`,
    );
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (cause) {
      throw new StanzapackError("invalid-options", `--ca: ${file} has a certificate that cannot be read`, {
        cause,
      });
    }
  }
  return text;
}

async function readText(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new StanzapackError(
      "invalid-options",
      `${option}: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`,
      { cause },
    );
  }
}
