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
  /** Smallest window of its subscribers, in ms. Null without subscribers. */
  readonly windowMs: number | null;
  /** Whether its publisher is online. */
  readonly online: boolean;
  readonly title: string;
}

/** Where a consumer of this account stands in a log, under a name. */
export interface CursorInfo {
  readonly node: string;
  readonly name: string;
  /** The last position that the consumer has taken. */
  readonly epoch: number;
  readonly offset: number;
  /** When the component last wrote the cursor, in ms since 1970 of the component's clock. */
  readonly at: number;
  /** Whether a subscription uses the cursor now. */
  readonly used: boolean;
}

/** Things of one kind that the component keeps of an account. */
export interface Held {
  /**
   * - `services`: what the account offers, with journals, maps, configurations, members and approvals.
   * - `cursors`: its named cursors, each as node, space, name.
   * - `subscriptions`: what it subscribes to, or may resume.
   * - `grants`: services of others that have approved it, or list it as a member.
   * - `requests`: services of others that it has asked for, and that have not answered.
   */
  readonly what: (typeof HELD)[number];
  readonly count: number;
  /** Nodes, sorted: at most 100, and fewer if they are long. */
  readonly nodes: readonly string[];
}

const HELD = ["services", "cursors", "subscriptions", "grants", "requests"] as const;
/** The component's ad-hoc command (XEP-0050), and the FORM_TYPE of its forms. */
const PURGE = "urn:stanzapack:0#purge";

/** Options of a request to subscribe. */
export interface AskedOptions {
  readonly windowMs: number;
  readonly selection: Selection;
  /** Where a log begins. */
  readonly since?: Since | undefined;
  /** Name of the cursor at which a log begins, if the cursor exists. */
  readonly cursor?: string | undefined;
  /** Rows that the component may send before it receives more credit. */
  readonly credit?: number | undefined;
}

type SubscribeFields = Readonly<Record<string, string | readonly string[]>>;

export interface Granted {
  readonly subid: string;
  readonly windowMs: number;
  readonly selection: Selection;
  /**
   * Whether a log still has every update from the position where it was to begin. Undefined if no beginning was asked
   * for.
   */
  readonly recovered?: boolean;
  /** Position behind which a log begins. */
  readonly begun?: { readonly epoch: number; readonly offset: number };
}

/**
 * Largest request, in bytes. By default Prosody and ejabberd accept 262,144 bytes in a stanza of a client. ejabberd
 * also counts the bytes that it reads together with the stanza, behind it: a TLS record of 16 KiB and a packet.
 */
const MAX_REQUEST_BYTES = 240_000;
const encoder = new TextEncoder();
const utf8Bytes = (text: string): number => encoder.encode(text).length;
/** Number of service descriptions that are requested at the same time. */
const CONCURRENT_QUERIES = 16;

/** The client's half of the negotiation: XEP-0060 and XEP-0030 requests to one component. */
export class Negotiation {
  private readonly line: RequestLine;

  constructor(
    private readonly connection: Connection,
    /** The component, or the node of it that the client uses now. */
    private readonly at: { readonly domain: string },
    timeoutMs: number,
    signal: AbortSignal,
  ) {
    this.line = new RequestLine(timeoutMs, signal);
  }

  /** Sends a request, and resolves to its answer. Throws `too-large` if servers would not accept the request. */
  private async request(type: "get" | "set", child: Element, doing: string): Promise<Element> {
    const bytes = utf8Bytes(child.toString());
    if (bytes > MAX_REQUEST_BYTES)
      throw new StanzapackError(
        "too-large",
        `${doing} takes ${bytes} bytes, but servers end the stream at ${MAX_REQUEST_BYTES} or a little more`,
      );
    return this.line.run(
      (timeoutMs) => this.connection.request(xml("iq", { type, to: this.at.domain }, child), { timeoutMs }),
      doing,
    );
  }

  /** `incarnation` is of the outbox: by it the component knows whether a publisher has returned, or is another one. */
  async offer(node: string, options: OfferOptions, incarnation: number): Promise<void> {
    const form = formatForm("submit", NS.PUBSUB_NODE_CONFIG, {
      ...configFields(options),
      "{urn:stanzapack:0}incarnation": String(incarnation),
      // Sent also if it is 0, because an earlier offer of the node may have been opaque.
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

  /** The form is complete: an option that it leaves out gets its default. */
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

  /** `subid` undefined: also ends a subscription that is pending. */
  async unsubscribe(node: string, subid: string | undefined): Promise<void> {
    const jid = this.connection.jid;
    await this.request(
      "set",
      xml("pubsub", NS.PUBSUB, xml("unsubscribe", { node, jid, subid })),
      `stopping \`${node}\``,
    );
  }

  /** Resolves to every service that this account may subscribe to, or only to those of one publisher. */
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

  /** Asks page by page if one answer does not hold all nodes (XEP-0059). */
  private async nodes(owner: string | undefined): Promise<ReadonlySet<string>> {
    const doing = `listing the services of ${this.at.domain}`;
    const nodes = new Set<string>();
    let after: string | undefined;
    for (;;) {
      let result: Element;
      const page = after === undefined ? [] : [xml("set", NS.RSM, xml("after", {}, after))];
      try {
        const query = xml("query", { xmlns: NS.DISCO_ITEMS, node: owner }, ...page);
        result = await this.request("get", query, doing);
      } catch (error) {
        // An owner without services is no node.
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
      // A page without a new node ends the list.
      if (last === "" || nodes.size === size) return nodes;
      after = last;
    }
  }

  /** Resolves to the cursors of this account, or only to those of one node. */
  async cursors(node: string | undefined): Promise<CursorInfo[]> {
    const doing = "listing cursors";
    const found: CursorInfo[] = [];
    for (let page: Element[] = []; ;) {
      const result = await this.request(
        "get",
        xml("cursors", { xmlns: NS.STANZAPACK, node }, ...page),
        doing,
      );
      const list = result.getChild("cursors", NS.STANZAPACK);
      const cursors = (list?.getChildren("cursor") ?? []).flatMap((element) => readCursor(element) ?? []);
      for (const cursor of cursors) found.push(cursor);
      const last = list?.getChild("set", NS.RSM)?.getChildText("last") ?? "";
      if (last === "" || cursors.length === 0) return found;
      page = [xml("set", NS.RSM, xml("after", {}, last))];
    }
  }

  async deleteCursor(node: string, name: string): Promise<void> {
    await this.request(
      "set",
      xml("cursors", NS.STANZAPACK, xml("delete", { node, name })),
      `deleting the cursor \`${name}\` of \`${node}\``,
    );
  }

  async purge(account: string, isDry: boolean): Promise<Held[]> {
    const form = formatForm("submit", PURGE, { accountjid: account, dry_run: isDry ? "1" : "0" });
    const result = await this.request(
      "set",
      xml("command", { xmlns: NS.COMMANDS, node: PURGE, action: "execute" }, form),
      `${isDry ? "asking for" : "removing"} what the component keeps of ${account}`,
    ).catch((error: unknown) => {
      if (!(error instanceof StanzapackError) || error.code !== "forbidden") throw error;
      // The general advice is about nodes.
      throw new StanzapackError("forbidden", error.text, {
        mend: "Log in as an administrator, or ask the operator.",
        cause: error,
      });
    });
    const command = result.getChild("command", NS.COMMANDS);
    const fields = command === undefined ? undefined : parseForm(command)?.fields;
    return HELD.map((what) => ({
      what,
      count: Number(fields?.get(`${what}_count`)?.[0] ?? 0),
      nodes: fields?.get(what) ?? [],
    }));
  }

  /** Resolves to undefined if the service has gone meanwhile. */
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
    ...(options.durability === undefined ? {} : { "{urn:stanzapack:0}durability": options.durability }),
    ...(options.maxItems === undefined ? {} : { "pubsub#max_items": String(options.maxItems) }),
    ...(options.itemExpireSeconds === undefined
      ? {}
      : { "pubsub#item_expire": String(options.itemExpireSeconds) }),
    ...(options.maxBytes === undefined ? {} : { "{urn:stanzapack:0}max_bytes": String(options.maxBytes) }),
  };
}

/** Returns the form fields of a subscription's options. An option without a field gets its default. */
export function subscribeFields({
  windowMs,
  selection,
  since,
  cursor,
  credit,
}: AskedOptions): SubscribeFields {
  return {
    "pubsub#digest": windowMs === 0 ? "0" : "1",
    "pubsub#digest_frequency": String(windowMs),
    ...formatSelectionFields(selection),
    ...(since === undefined ? {} : { "{urn:stanzapack:0}since": formatSince(since) }),
    ...(cursor === undefined ? {} : { "{urn:stanzapack:0}cursor": cursor }),
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

/** Reads the options in force. Returns undefined if the window is missing. */
export function grantedOptions(
  fields: ReadonlyMap<string, readonly string[]>,
): Pick<Granted, "windowMs" | "selection"> | undefined {
  const windowMs = Number(fields.get("pubsub#digest_frequency")?.[0]);
  return Number.isInteger(windowMs) ? { windowMs, selection: parseSelectionFields(fields) } : undefined;
}

function readCursor({ attrs }: Element): CursorInfo | undefined {
  const { node, name, position, at, used } = attrs as Readonly<Record<string, string | undefined>>;
  const place = readPosition(position);
  if (node === undefined || name === undefined || place === undefined) return undefined;
  return { node, name, ...place, at: Date.parse(at ?? ""), used: used === "1" };
}

function readPosition(text: string | undefined): Granted["begun"] {
  const position = text === undefined ? undefined : parseSince(text);
  return typeof position === "object" && "epoch" in position ? position : undefined;
}
