import {
  formatSelectionFields,
  formatSince,
  parseSelectionFields,
  parseSince,
  StanzapackError,
  type Selection,
  type Since,
} from "@stanzapack/wire";
import { formatForm, NS, parseForm, xml, type Connection, type Element } from "@stanzapack/xmpp";
import type { ConfigureOptions, OfferOptions } from "../options/offer-options.js";
import { RequestLine } from "./request-line.js";

/** One service as service discovery shows it. */
export interface ServiceInfo {
  readonly node: string;
  readonly kind: string;
  readonly access: string;
  /** Smallest window anyone takes it in, in ms; null when nobody does. */
  readonly windowMs: number | null;
  /** Whether its publisher is there. */
  readonly online: boolean;
  readonly title: string;
}

/** What the options of a subscription ask for. */
export interface AskedOptions {
  readonly windowMs: number;
  readonly selection: Selection;
  /** Of a log, where it begins. */
  readonly since?: Since | undefined;
  /** Rows that its consumer takes before it gives more. */
  readonly credit?: number | undefined;
}

type SubscribeFields = Readonly<Record<string, string | readonly string[]>>;

export interface Granted {
  readonly subid: string;
  readonly windowMs: number;
  readonly selection: Selection;
  /** Of a log, whether everything from where it was to begin is there; undefined where that was not asked. */
  readonly recovered?: boolean;
  /** Of a log, behind which position it begins. */
  readonly begun?: { readonly epoch: number; readonly offset: number };
}

/**
 * Prosody and ejabberd take 262,144 bytes in a stanza of a client where nobody changes that. ejabberd counts in what comes in
 * the same read behind it: a TLS record of 16 KiB and a packet.
 */
const MAX_REQUEST_BYTES = 240_000;
const encoder = new TextEncoder();
const utf8Bytes = (text: string): number => encoder.encode(text).length;
/** How many service descriptions are asked for at once. */
const CONCURRENT_QUERIES = 16;

/** The client's half of the negotiation: XEP-0060 and XEP-0030 requests to one component. */
export class Negotiation {
  private readonly line: RequestLine;

  constructor(
    private readonly connection: Connection,
    private readonly component: string,
    timeoutMs: number,
    signal: AbortSignal,
  ) {
    this.line = new RequestLine(timeoutMs, signal);
  }

  /** Throws `too-large` for what no server takes. */
  private async request(type: "get" | "set", child: Element, doing: string): Promise<Element> {
    const bytes = utf8Bytes(child.toString());
    if (bytes > MAX_REQUEST_BYTES)
      throw new StanzapackError(
        "too-large",
        `${doing} takes ${bytes} bytes, and servers end the stream at ${MAX_REQUEST_BYTES} or a little more`,
      );
    return this.line.run(
      (timeoutMs) => this.connection.request(xml("iq", { type, to: this.component }, child), { timeoutMs }),
      doing,
    );
  }

  /** `incarnation`: of the outbox, which tells a publisher that comes back from another one. */
  async offer(node: string, options: OfferOptions, incarnation: number): Promise<void> {
    const form = formatForm("submit", NS.PUBSUB_NODE_CONFIG, {
      ...configFields(options),
      "{urn:stanzapack:0}incarnation": String(incarnation),
      // Also where it is not: an earlier offer of the node may have been.
      "{urn:stanzapack:0}opaque": options.opaque === true ? "1" : "0",
      ...(options.takeOver === true ? { "{urn:stanzapack:0}take_over": "1" } : {}),
    });
    await this.request(
      "set",
      xml("pubsub", NS.PUBSUB, xml("create", { node }), xml("configure", {}, form)),
      `offering \`${node}\``,
    );
  }

  async configure(node: string, options: ConfigureOptions): Promise<void> {
    const form = formatForm("submit", NS.PUBSUB_NODE_CONFIG, configFields(options));
    await this.request(
      "set",
      xml("pubsub", NS.PUBSUB_OWNER, xml("configure", { node }, form)),
      `configuring \`${node}\``,
    );
  }

  /** XEP-0060 §8.9.2. */
  async revoke(node: string, jid: string): Promise<void> {
    await this.request(
      "set",
      xml(
        "pubsub",
        NS.PUBSUB_OWNER,
        xml("affiliations", { node }, xml("affiliation", { jid, affiliation: "none" })),
      ),
      `revoking ${jid}'s access to \`${node}\``,
    );
  }

  async withdraw(node: string): Promise<void> {
    await this.request(
      "set",
      xml("pubsub", NS.PUBSUB_OWNER, xml("delete", { node })),
      `withdrawing \`${node}\``,
    );
  }

  async subscribe(node: string, asked: AskedOptions): Promise<Granted> {
    const doing = `subscribing to \`${node}\``;
    const jid = this.connection.jid;
    const result = await this.request(
      "set",
      xml("pubsub", NS.PUBSUB, xml("subscribe", { node, jid }), xml("options", {}, optionsForm(asked))),
      doing,
    );
    const pubsub = result.getChild("pubsub", NS.PUBSUB);
    if (pubsub?.getChild("subscription")?.attrs["subscription"] === "pending")
      throw new StanzapackError("pending", `${doing}: its publisher has to allow it`, { origin: "peer" });
    return granted(pubsub?.getChild("subscription"), pubsub?.getChild("options"), doing);
  }

  /** The form says everything: what it leaves out has its default. */
  async change(node: string, subid: string, windowMs: number, selection: Selection): Promise<Granted> {
    const doing = `changing the subscription to \`${node}\``;
    const jid = this.connection.jid;
    const result = await this.request(
      "set",
      xml("pubsub", NS.PUBSUB, xml("options", { node, jid, subid }, optionsForm({ windowMs, selection }))),
      doing,
    );
    const options = result.getChild("pubsub", NS.PUBSUB)?.getChild("options");
    return granted(options, options, doing);
  }

  /** `subid` undefined: also what awaits approval. */
  async unsubscribe(node: string, subid: string | undefined): Promise<void> {
    const jid = this.connection.jid;
    await this.request(
      "set",
      xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node, jid, subid })),
      `stopping \`${node}\``,
    );
  }

  /** Every service this account may take, or only those of one publisher. */
  async services(owner: string | undefined): Promise<ServiceInfo[]> {
    const nodes = await this.nodes(owner);
    const infos: (ServiceInfo | undefined)[] = [];
    const next = [...nodes].entries();
    const worker = async (): Promise<void> => {
      for (const [index, node] of next) infos[index] = await this.describe(node);
    };
    await Promise.all(Array.from({ length: CONCURRENT_QUERIES }, worker));
    return infos.filter((info) => info !== undefined);
  }

  /** Page by page, where the component has more than one answer holds (XEP-0059). */
  private async nodes(owner: string | undefined): Promise<ReadonlySet<string>> {
    const doing = `listing the services of ${this.component}`;
    const nodes = new Set<string>();
    let after: string | undefined;
    for (;;) {
      let result: Element;
      const page = after === undefined ? [] : [xml("set", NS.RSM, xml("after", {}, after))];
      try {
        const query = xml("query", { xmlns: NS.DISCO_ITEMS, node: owner }, ...page);
        result = await this.request("get", query, doing);
      } catch (error) {
        // Who offers nothing, or nothing any more, is no node.
        const isNobody = error instanceof StanzapackError && error.code === "no-such-service";
        if (owner !== undefined && isNobody) return nodes;
        throw error;
      }
      const query = result.getChild("query", NS.DISCO_ITEMS);
      const { size } = nodes;
      for (const item of query?.getChildren("item") ?? []) {
        const node = item.attrs["node"] as string | undefined;
        if (node !== undefined) nodes.add(node);
      }
      const last = query?.getChild("set", NS.RSM)?.getChildText("last") ?? "";
      // A page that brings nothing new, whatever its sender means by it, ends the list.
      if (last === "" || nodes.size === size) return nodes;
      after = last;
    }
  }

  /** Undefined when it went away meanwhile. */
  private async describe(node: string): Promise<ServiceInfo | undefined> {
    let result: Element;
    try {
      result = await this.request(
        "get",
        xml("query", { xmlns: NS.DISCO_INFO, node }),
        `asking about \`${node}\``,
      );
    } catch (error) {
      if (error instanceof StanzapackError && error.code === "no-such-service") return undefined;
      throw error;
    }
    const query = result.getChild("query", NS.DISCO_INFO);
    const form = query === undefined ? undefined : parseForm(query);
    const field = (name: string): string | undefined => form?.fields.get(name)?.[0];
    const windowMs = field("{urn:stanzapack:0}window");
    return {
      node,
      kind: field("{urn:stanzapack:0}kind") ?? "value",
      access: field("pubsub#access_model") ?? "open",
      windowMs: windowMs === undefined ? null : Number(windowMs),
      online: field("{urn:stanzapack:0}online") === "1",
      title: (query?.getChild("identity")?.attrs["name"] as string | undefined) ?? "",
    };
  }
}

function configFields(
  options: ConfigureOptions & Pick<OfferOptions, "kind">,
): Record<string, string | readonly string[]> {
  return {
    ...(options.kind === undefined ? {} : { "{urn:stanzapack:0}kind": options.kind }),
    ...(options.access === undefined ? {} : { "pubsub#access_model": options.access }),
    ...(options.members === undefined ? {} : { "{urn:stanzapack:0}members": options.members }),
    ...(options.title === undefined ? {} : { "pubsub#title": options.title }),
    ...(options.compression === undefined ? {} : { "{urn:stanzapack:0}compression": options.compression }),
  };
}

/** The fields of the form of a subscription's options; what they leave out has its default. */
export function subscribeFields({ windowMs, selection, since, credit }: AskedOptions): SubscribeFields {
  return {
    "pubsub#digest": windowMs === 0 ? "0" : "1",
    "pubsub#digest_frequency": String(windowMs),
    ...formatSelectionFields(selection),
    ...(since === undefined ? {} : { "{urn:stanzapack:0}since": formatSince(since) }),
    ...(credit === undefined ? {} : { "{urn:stanzapack:0}credit": String(credit) }),
  };
}

function optionsForm(asked: AskedOptions): Element {
  return formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, subscribeFields(asked));
}

function granted(about: Element | undefined, options: Element | undefined, doing: string): Granted {
  const subid = about?.attrs["subid"] as string | undefined;
  const form = options === undefined ? undefined : parseForm(options);
  const inForce = grantedOptions(form?.fields ?? new Map());
  if (subid === undefined || inForce === undefined)
    throw new StanzapackError("protocol", `${doing}: the answer lacks subid or window`, { origin: "peer" });
  const recovered = form?.fields.get("{urn:stanzapack:0}recovered")?.[0];
  const begun = readPosition(form?.fields.get("{urn:stanzapack:0}position")?.[0]);
  return {
    ...{ subid, ...inForce },
    ...(recovered === undefined ? {} : { recovered: recovered === "1" }),
    ...(begun === undefined ? {} : { begun }),
  };
}

/** The options that are in force; undefined when the window is missing. */
export function grantedOptions(
  fields: ReadonlyMap<string, readonly string[]>,
): Pick<Granted, "windowMs" | "selection"> | undefined {
  const windowMs = Number(fields.get("pubsub#digest_frequency")?.[0]);
  return Number.isInteger(windowMs) ? { windowMs, selection: parseSelectionFields(fields) } : undefined;
}

function readPosition(text: string | undefined): Granted["begun"] {
  const position = text === undefined ? undefined : parseSince(text);
  return typeof position === "object" && "epoch" in position ? position : undefined;
}
