import tls from "node:tls";
import { NS } from "@stanzapack/xmpp";
import { failure, ok, warning, type Finding, type Remedy } from "../base/check.js";
import { openRawStream, secureRawStream, type RawStream, type RawTls } from "./raw-stream.js";

/** Remaining validity below which a certificate is a warning, in days. Let's Encrypt's tools renew 30 days before. */
const RENEW_DAYS = 14;
const DAY_MS = 86_400_000;

/** What a server showed in its TLS handshake. */
export interface SeenCertificate {
  readonly certificate: Pick<tls.PeerCertificate, "subject" | "subjectaltname" | "valid_from" | "valid_to">;
  /** OpenSSL's code of why the chain is not trusted. Undefined: it is trusted. */
  readonly distrust: string | undefined;
}

export interface CertificateRemedies {
  readonly expired: Remedy;
  readonly wrongName: Remedy;
  readonly untrusted: Remedy;
}

/** Judges a certificate, which must be for one of `names`. `now` is in ms since 1970. */
export function judgeCertificate(
  address: string,
  { certificate, distrust }: SeenCertificate,
  names: readonly string[],
  now: number,
  remedies: CertificateRemedies,
): Finding {
  const [from, to] = [Date.parse(certificate.valid_from), Date.parse(certificate.valid_to)];
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
  if (to < now) return failure(`${address}: the certificate expired on ${day(to)}`, remedies.expired);
  if (from > now)
    return failure(
      `${address}: the certificate is not valid before ${day(from)}, or this machine's clock is wrong`,
      remedies.expired,
    );
  const isNamed = names.some(
    (name) => tls.checkServerIdentity(name, certificate as tls.PeerCertificate) === undefined,
  );
  if (!isNamed)
    return failure(
      `${address}: the certificate is for ${namesOf(certificate)}, and must be for ${names.join(" or ")}`,
      remedies.wrongName,
    );
  if (distrust !== undefined && distrust !== "CERT_HAS_EXPIRED")
    return failure(
      `${address}: the certificate's authority is not trusted (${distrust})`,
      remedies.untrusted,
    );
  if (distrust !== undefined)
    return failure(`${address}: a certificate of the chain has expired`, remedies.expired);
  const days = Math.floor((to - now) / DAY_MS);
  const text = `${address}: the certificate is valid until ${day(to)}`;
  return days < RENEW_DAYS ? warning(`${text}, in ${days} days`, remedies.expired) : ok(text);
}

function namesOf({ subject, subjectaltname }: SeenCertificate["certificate"]): string {
  return subjectaltname?.replaceAll("DNS:", "") ?? [subject.CN].flat().join(", ");
}

export interface TlsTarget {
  readonly host: string;
  readonly port: number;
  /** Domain of the stream that begins with STARTTLS (RFC 6120 §5). Undefined: TLS begins with the first byte. */
  readonly startTls?: string | undefined;
  readonly tls: RawTls;
}

/** Returns the certificate that a server shows. Rejects if there is no connection or no TLS. */
export async function readCertificate(target: TlsTarget, signal: AbortSignal): Promise<SeenCertificate> {
  const { startTls } = target;
  const raw = await openRawStream(target, signal, startTls === undefined ? target.tls : undefined);
  try {
    const secured =
      startTls === undefined
        ? (raw.socket as tls.TLSSocket)
        : await upgrade(raw, startTls, target.tls, signal);
    const { authorized, authorizationError: distrust } = secured;
    return {
      certificate: secured.getPeerCertificate(),
      distrust: authorized ? undefined : String(distrust),
    };
  } finally {
    raw.close();
  }
}

async function upgrade(
  raw: RawStream,
  domain: string,
  options: RawTls,
  signal: AbortSignal,
): Promise<tls.TLSSocket> {
  raw.write(
    `<?xml version='1.0'?><stream:stream xmlns='${NS.CLIENT}' xmlns:stream='${NS.STREAM}' to='${domain}' version='1.0'>`,
  );
  const features = await raw.take(/<\/(?:stream:)?features>|<stream:error/);
  if (features.includes("host-unknown")) throw new Error(`the server does not know the domain ${domain}`);
  if (!/<starttls\b/.test(features)) throw new Error("the server offers no STARTTLS");
  raw.write(`<starttls xmlns='${NS.TLS}'/>`);
  await raw.take(/<proceed\b/);
  return secureRawStream(raw, options, signal);
}
