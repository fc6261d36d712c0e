import { StanzapackError, type ErrorCode } from "@stanzapack/wire";
import type { XmppError } from "@stanzapack/xmpp";

export interface ServerAddress {
  readonly domain: string;
  readonly host: string;
  readonly port: number;
}

type Advice = (at: ServerAddress) => string;

const noWay: Advice = ({ host }) =>
  `The network cannot reach ${host}: check component.host, the network and its firewalls.`;
const unknownHost: Advice = ({ host }) =>
  `The name server has no address for ${host}: check component.host and the name server.`;
const unknownDomain: Advice = ({ domain, port }) =>
  `The server does not know the component ${domain}: name it in the server's configuration ` +
  `(Prosody: Component "${domain}"; ejabberd: hosts of ejabberd_service), and check that ` +
  `component.port ${port} is its port for components and not the one for clients.`;
const clientPort: Advice = ({ port }) =>
  `Port ${port} is not for components, probably for clients: set component.port to the server's port for components.`;

/** Advice by Node's code of a network failure, or by the condition of the server's stream error. */
const BY_CAUSE = new Map<string, Advice>(
  Object.entries({
    ECONNREFUSED: ({ port }) =>
      `Nothing listens there: start the XMPP server, and let it listen for components on port ${port} ` +
      "(Prosody: component_ports; ejabberd: a listener with the module ejabberd_service).",
    ENOTFOUND: unknownHost,
    EAI_AGAIN: unknownHost,
    EHOSTUNREACH: noWay,
    ENETUNREACH: noWay,
    ETIMEDOUT: noWay,
    "host-unknown": unknownDomain,
    "host-gone": unknownDomain,
    "invalid-namespace": clientPort,
    "not-allowed": clientPort,
    "not-authorized": ({ domain }) =>
      `The server refused the secret, or does not know the domain ${domain}: compare component.domain, and ` +
      "component.secret or component.secretFile, with the server's configuration.",
    conflict: ({ domain }) =>
      `${domain} is connected already, or is a domain of the server's own: stop the other component, or choose another domain.`,
  }),
);

const BY_CODE: Readonly<Partial<Record<XmppError["code"], Advice>>> = {
  tls: () =>
    "Compare component.tls with the server's listener: its certificate, and the authority that signed it.",
  timeout: ({ host, port }) =>
    `Nothing at ${host}:${port} answered in XMPP: check component.host, component.port and firewalls.`,
  protocol: ({ port }) =>
    `The other side of port ${port} broke the rules of XMPP: check that it is the server's port for components.`,
};

/** Returns what an operator can do if the server does not accept the component (XEP-0114), in whole sentences. */
export function adviseOperator(error: XmppError, at: ServerAddress): string {
  const cause = networkCode(error) ?? error.condition;
  const advice = (cause === undefined ? undefined : BY_CAUSE.get(cause)) ?? BY_CODE[error.code];
  return advice?.(at) ?? "Look at the server's log.";
}

/** Returns Node's code of a network failure. If several addresses failed, returns that of the first. */
function networkCode({ cause }: XmppError): string | undefined {
  const failure: unknown =
    cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors[0] : cause;
  return failure instanceof Error && "code" in failure && typeof failure.code === "string"
    ? failure.code
    : undefined;
}

/** Returns the failure in words for an operator. */
export function failureOf(error: XmppError, at: ServerAddress): StanzapackError {
  const code = error.code === "aborted" || error.code === "stopped" ? error.code : CODES[error.code];
  if (code === "aborted") return new StanzapackError(code, "the start was aborted", { cause: error });
  if (code === "stopped") return new StanzapackError(code, "the component was stopped", { cause: error });
  const text = `the server at ${at.host}:${at.port} does not accept the component ${at.domain}: ${error.message}`;
  return new StanzapackError(code, text, { cause: error, scope: "link", mend: adviseOperator(error, at) });
}

const CODES = {
  auth: "auth-failed",
  conflict: "conflict",
  timeout: "timeout",
  tls: "tls-failed",
  unreachable: "unreachable",
  unsupported: "unreachable",
  protocol: "unreachable",
  disconnected: "unreachable",
  "invalid-xml": "invalid-options",
  resource: "unreachable",
  "insecure-context": "unreachable",
} as const satisfies Partial<Record<XmppError["code"], ErrorCode>>;
