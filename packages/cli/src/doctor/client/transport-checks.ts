import {
  isLoopbackHost,
  NS,
  parseServiceUrl,
  toTarget,
  wallNow,
  XmppError,
  type TransportKind,
} from "@stanzapack/xmpp";
import { failure, ok, skipped, warning, worst, type Check, type Finding } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { textOf } from "../base/text-of.js";
import { judgeCertificate, readCertificate, type TlsTarget } from "../network/certificate.js";
import { LOGIN_MS, logIn, LOGINS, type ClientState } from "./client-state.js";
import { askProcesses } from "./component-checks.js";

/** Longest wait for a TLS handshake, in ms. */
const HANDSHAKE_MS = 5_000;
/** Most addresses of one transport, as `discovery-checks.ts` keeps them. */
const MAX_ADDRESSES = 4;
/** Questions to the component over each transport. */
const ASKS = 4;

export const TRANSPORT_CHECKS: readonly Check<ClientState>[] = (
  ["tcp", "websocket", "bosh"] as const
).flatMap((kind) => [certificateCheck(kind), loginCheck(kind)]);

/** Looks at the certificate of each address of one transport. */
function certificateCheck(kind: TransportKind): Check<ClientState> {
  return {
    ...{ id: `${kind}-certificate`, side: "client", deadlineMs: HANDSHAKE_MS + 2_000, needs: ["ca"] },
    async run(state, signal) {
      const urls = state.addresses[kind];
      if (urls.length === 0) return skipped(noAddress(kind));
      const limit = AbortSignal.any([signal, AbortSignal.timeout(HANDSHAKE_MS)]);
      const judge = async (url: string): Promise<Finding> => {
        const finding = await judgeAddress(state, new URL(url), limit);
        if (finding.result === "failure") state.distrusted.add(url);
        return finding;
      };
      return worst(await Promise.all(urls.map(judge)));
    },
  };
}

async function judgeAddress(state: ClientState, url: URL, signal: AbortSignal): Promise<Finding> {
  const { asciiDomain: domain } = state.target;
  const { protocol, host, hostname } = url;
  if (protocol === "ws:" || protocol === "http:") {
    if (isLoopbackHost(hostname)) return ok(`${host}: no TLS, and the stream does not leave this machine`);
    return failure(`${url.href} is without TLS`, "Give an address that begins with wss: or https:.");
  }
  const isTcp = protocol.startsWith("xmpp");
  const target = toTlsTarget(url, domain, state.ca);
  try {
    const seen = await readCertificate(target, signal);
    // RFC 6120 §13.7.2.1 for TCP, XEP-0156 §3 for HTTP.
    const names = isTcp ? [domain] : [...new Set([target.host, domain])];
    return judgeCertificate(host, seen, names, wallNow(), FIX.clientCertificate);
  } catch (error) {
    // The login over the same address says so too, and is the check of it.
    return skipped(`${host}: no certificate to look at (${textOf(error)})`);
  }
}

function toTlsTarget(url: URL, domain: string, ca: string | undefined): TlsTarget {
  if (url.protocol.startsWith("xmpp")) {
    const { host, port, directTls } = toTarget(url);
    const tls = { ca, serverName: domain, alpn: ["xmpp-client"] };
    return { host, port, startTls: directTls ? undefined : domain, tls };
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(url.port || 443), tls: { ca, serverName: host, alpn: ["http/1.1"] } };
}

/** Logs in over each address of one transport. The first login of all stays for later checks. */
function loginCheck(kind: TransportKind): Check<ClientState> {
  return {
    ...{ id: kind, side: "client", deadlineMs: MAX_ADDRESSES * LOGIN_MS + 5_000, needs: ["password"] },
    async run(state, signal) {
      const urls = state.addresses[kind];
      if (urls.length === 0) return skipped(noAddress(kind));
      if (state.refused) return skipped("the server has refused the account");
      const findings: Finding[] = [];
      for (const url of urls) findings.push(await tryAddress(state, kind, url, signal));
      const finding = worst(findings);
      const some = findings.some(({ result }) => result === "ok");
      // Clients use the next address.
      return finding.result === "failure" && some ? { ...finding, result: "warning" } : finding;
    },
  };
}

async function tryAddress(
  state: ClientState,
  kind: TransportKind,
  url: string,
  signal: AbortSignal,
): Promise<Finding> {
  if (state.distrusted.has(url)) return skipped(`clients refuse the certificate of ${url}`);
  try {
    const startedAt = performance.now();
    const connection = await logIn(state, url, signal);
    const tookMs = Math.round(performance.now() - startedAt);
    if (state.connection === undefined) {
      state.connection = connection;
      state.url = url;
    } else {
      // ejabberd may choose the process of a component by the full JID, which differs for each login.
      await askProcesses(state, connection, ASKS).finally(() => connection.stop());
    }
    return ok(`logged in over ${parseServiceUrl(url).url.host} in ${tookMs} ms`);
  } catch (error) {
    if (!(error instanceof XmppError)) throw error;
    state.refused ||= error.code === "auth";
    return judgeLogin(kind, url, error);
  }
}

/** Judges why a login failed. */
export function judgeLogin(kind: TransportKind, url: string, error: XmppError): Finding {
  const text = `${url}: ${textOf(error)}`;
  switch (error.code) {
    case "auth":
      return failure(text, FIX.account);
    case "tls":
      return failure(text, FIX.clientCertificate.untrusted);
    default:
      return failure(text, FIX[kind]);
  }
}

function noAddress(kind: TransportKind): string {
  return {
    tcp: "no address of TCP is known: DNS has none, or another address is given",
    websocket: "no address of WebSocket is known; `--websocket-url` gives one",
    bosh: "no address of BOSH is known; `--bosh-url` gives one",
  }[kind];
}

export const STREAM_CHECKS: readonly Check<ClientState>[] = [
  {
    ...{ id: "stream-management", side: "client", deadlineMs: 1_000, needsOneOf: LOGINS },
    run({ connection }) {
      if (connection?.transport === "bosh") return skipped("BOSH has acknowledgements of its own");
      return connection?.offers(NS.SM) === true
        ? ok("the server offers stream management (XEP-0198)")
        : warning("the server offers no stream management (XEP-0198)", FIX.streamManagement);
    },
  },
  {
    ...{ id: "compression", side: "client", deadlineMs: 1_000, needsOneOf: LOGINS },
    run({ connection }) {
      if (connection?.transport !== "tcp") return skipped("stream compression is for TCP");
      // Either is good: payloads are compressed in any case.
      return connection.offers(NS.COMPRESS_FEATURE)
        ? ok("the server offers stream compression (XEP-0138): clients may set `compress: true`")
        : ok("the server offers no stream compression (XEP-0138), which is the default");
    },
  },
];
