import { lookup } from "node:dns/promises";
import net from "node:net";
import { createComponentConnection, isLoopbackHost, NS, wallNow, xml, XmppError } from "@stanzapack/xmpp";
import { failure, ok, skipped, warning, type Check, type Finding } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { textOf } from "../base/text-of.js";
import { judgeCertificate, readCertificate } from "../network/certificate.js";
import { judgeClocks, readUtc } from "../network/clocks.js";
import { openRawStream, type RawTls } from "../network/raw-stream.js";
import { configOf, resolvedOf, type ComponentState } from "./component-state.js";

/** Longest time of a check that waits for the server, in ms. A server under load answers within a second. */
const NETWORK_MS = 10_000;
/** Longest wait inside such a check, in ms. */
const ANSWER_MS = 8_000;

export const SERVER_CHECKS: readonly Check<ComponentState>[] = [
  {
    ...{ id: "host", side: "component", deadlineMs: NETWORK_MS, needs: ["config"] },
    async run(state) {
      const { host } = configOf(state).component;
      if (net.isIP(host) !== 0) return ok(`${host} is an address`);
      try {
        const addresses = await lookup(host, { all: true });
        return ok(`${host} has the addresses ${addresses.map(({ address }) => address).join(", ")}`);
      } catch (error) {
        return failure(`${host} has no address (${textOf(error)})`, FIX.host);
      }
    },
  },
  {
    ...{ id: "port", side: "component", deadlineMs: NETWORK_MS, needs: ["host"] },
    async run(state, signal) {
      const { host, port } = configOf(state).component;
      try {
        (await openRawStream({ host, port }, signal)).close();
      } catch (error) {
        return failure(`${host}:${port} is closed (${textOf(error)})`, FIX.portClosed);
      }
      return ok(`${host}:${port} is open`);
    },
  },
  {
    ...{ id: "component-certificate", side: "component", deadlineMs: NETWORK_MS, needs: ["port", "secret"] },
    async run(state, signal) {
      const finding = await judgeTls(state, signal);
      state.tlsFails = finding.result === "failure";
      return finding;
    },
  },
  {
    ...{ id: "domain", side: "component", deadlineMs: NETWORK_MS, needs: ["port", "secret"] },
    // A header alone is no login: it does not touch a component that is connected.
    async run(state, signal) {
      if (state.tlsFails) return skipped("the component refuses the TLS of the port");
      const { domain, host, port } = resolvedOf(state).component;
      const stream = await openRawStream({ host, port }, signal, tlsOf(state));
      try {
        stream.write(
          `<?xml version='1.0'?><stream:stream xmlns='${NS.COMPONENT}' xmlns:stream='${NS.STREAM}' to='${domain}'>`,
        );
        const header = await stream.take(/<stream:stream[^>]*>/);
        stream.write("</stream:stream>");
        const rest = await stream.take(/<\/stream:error>|<\/stream:stream>/).catch(() => "");
        return judgeHeader(domain, header + rest);
      } catch (error) {
        return failure(`the server does not answer as to a component (${textOf(error)})`, FIX.portClosed);
      } finally {
        stream.close();
      }
    },
  },
];

export const LOGIN_CHECKS: readonly Check<ComponentState>[] = [
  {
    ...{ id: "login", side: "component", deadlineMs: NETWORK_MS, needs: ["domain"] },
    async run(state, signal) {
      switch (state.runs) {
        case "connected":
          return ok("the running component is connected, so the server accepts the domain and the secret");
        case "running":
          return skipped(
            "the component runs, and a second login could take its stanzas; set `metrics: {}` to see more",
          );
        case "unknown":
          return skipped(
            "it is not known whether the component runs, and a second login could take its stanzas; set `metrics: {}`",
          );
        case "down":
        case "stopped":
          return logIn(state, signal);
      }
    },
  },
  {
    ...{ id: "component-clock", side: "component", deadlineMs: NETWORK_MS, needs: ["login"] },
    async run(state, signal) {
      const { connection } = state;
      if (connection === undefined)
        return skipped(
          "the component is connected, so doctor is not: check the clocks from a client with --jid",
        );
      const { domain } = resolvedOf(state).component;
      const server = domain.slice(domain.indexOf(".") + 1);
      const asked = wallNow();
      const iq = xml("iq", { type: "get", to: server }, xml("time", NS.TIME));
      const answer = await connection.request(iq, { signal, timeoutMs: ANSWER_MS }).catch(() => undefined);
      const utc = answer?.getChild("time", NS.TIME)?.getChildText("utc");
      const reading = readUtc("the server", utc, asked, wallNow());
      return reading === undefined
        ? skipped(`${server} does not tell its time (XEP-0202)`)
        : judgeClocks([reading]);
    },
  },
];

/** Looks at the certificate of the component port, if the config asks for TLS. */
async function judgeTls(state: ComponentState, signal: AbortSignal): Promise<Finding> {
  const { host, port } = resolvedOf(state).component;
  const options = tlsOf(state);
  if (options === undefined)
    return isLoopbackHost(host)
      ? skipped("no TLS is configured, and the stream does not leave this machine")
      : warning(`the stream to ${host} is not encrypted`, FIX.componentPlain);
  try {
    const seen = await readCertificate({ host, port, tls: options }, signal);
    const names = [options.serverName];
    return judgeCertificate(`${host}:${port}`, seen, names, wallNow(), FIX.componentCertificate);
  } catch (error) {
    return failure(`${host}:${port} has no TLS (${textOf(error)})`, FIX.componentTls);
  }
}

/** Logs in with the domain and the secret, and stays connected until the state is closed. */
async function logIn(state: ComponentState, signal: AbortSignal): Promise<Finding> {
  const { domain, host, port, secret, tls } = resolvedOf(state).component;
  const connection = createComponentConnection({
    ...{ domain, host, port, secret, reconnect: false, retryStart: false },
    ...(tls !== undefined && tls !== false && { tls: tls === true ? {} : tls }),
    timeouts: { onlineMs: ANSWER_MS },
  });
  try {
    await connection.start({ signal });
    state.connection = connection;
    return ok(`the server accepts ${domain} and the secret`);
  } catch (error) {
    await connection.stop();
    return judgeLogin(domain, error);
  }
}

/** Judges the header with which a server answers a component's. */
export function judgeHeader(domain: string, header: string): Finding {
  if (/<host-unknown\b|<host-gone\b/.test(header))
    return failure(`the server does not know the component domain ${domain}`, FIX.unknownDomain);
  const [, condition] = /<stream:error[^>]*>\s*<([\w-]+)/.exec(header) ?? [];
  if (condition !== undefined)
    return failure(`the server refuses ${domain}: ${condition}`, FIX.unknownDomain);
  // ejabberd answers every domain, and refuses an unknown one at the login.
  return ok(`the server does not refuse the component domain ${domain}`);
}

/** Judges why a login as a component failed. */
export function judgeLogin(domain: string, error: unknown): Finding {
  const text = textOf(error);
  if (!(error instanceof XmppError)) return failure(text, FIX.portClosed);
  if (error.condition === "host-unknown" || error.condition === "host-gone")
    return failure(`the server does not know the component domain ${domain}`, FIX.unknownDomain);
  switch (error.code) {
    case "auth":
      return failure(
        `the server refuses the secret of ${domain} (ejabberd refuses an unknown domain alike)`,
        FIX.wrongSecret,
      );
    case "conflict":
      return failure(`another component is connected with ${domain}`, FIX.taken);
    case "tls":
      return failure(text, FIX.componentTls);
    default:
      return failure(text, FIX.portClosed);
  }
}

function tlsOf(state: ComponentState): RawTls | undefined {
  const { host, tls } = resolvedOf(state).component;
  if (tls === undefined || tls === false) return undefined;
  const { ca, serverName = host } = tls === true ? {} : tls;
  return { ca, serverName };
}
