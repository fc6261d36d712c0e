import {
  formatSelectionFields,
  formatSince,
  MAX_WINDOW_MS,
  parseSelectionFields,
  parseSince,
  SELECTION_FIELDS,
  SERVICE_KINDS,
  StanzapackError,
  WHOLE,
  type Selection,
  type Since,
} from "@stanzapack/wire";
import { NS, StanzaError, type DataForm } from "@stanzapack/xmpp";
import { accountOf } from "../forms/addresses.js";
import {
  ACCESS_MODELS,
  COMPRESSIONS,
  type AccessModel,
  type Compression,
  type ServiceConfig,
} from "../catalog/service.js";
import { ANY_LEASE, type LeaseRequest } from "../catalog/publishers.js";
import { unsupported } from "../forms/errors.js";
import { FIELD } from "./form-fields.js";
import { boolean, checkOwnFields, invalid, several, single } from "../forms/submissions.js";

/** Longest title, in UTF-16 code units. */
const MAX_TITLE_CHARS = 256;

/** Of a node that is created without a form. */
export const DEFAULT_CONFIG: ServiceConfig = {
  kind: "value",
  access: "open",
  compression: "shared",
  opaque: false,
  members: new Set(),
  title: "",
};

/** Node configuration (XEP-0060 §8.1.3, §8.2). What the form leaves out keeps `current`, or its default. */
export function readServiceConfig(
  form: DataForm | undefined,
  current: ServiceConfig | undefined,
  maxMembers: number,
  /** What else the form may have. */
  more: readonly string[] = [],
): ServiceConfig {
  const base = current ?? DEFAULT_CONFIG;
  if (form === undefined) return base;
  checkOwnFields(form, [FIELD.KIND, FIELD.COMPRESSION, FIELD.OPAQUE, FIELD.MEMBERS, ...more]);
  const nodeType = single(form, FIELD.NODE_TYPE) ?? "leaf";
  // XEP-0248 §7.1.
  if (nodeType !== "leaf") throw unsupported("collections", `a node of type \`${nodeType.slice(0, 40)}\``);
  const kind = single(form, FIELD.KIND) ?? base.kind;
  if (!(SERVICE_KINDS as readonly string[]).includes(kind))
    throw invalid(`kind \`${kind}\` is none of ${SERVICE_KINDS.join(", ")}`);
  if (kind !== "value" && kind !== "log")
    throw new StanzapackError(
      "unsupported",
      `kind \`${kind}\` is not in this version; there are value and log`,
    );
  const access = single(form, FIELD.ACCESS_MODEL) ?? base.access;
  if (!isAccessModel(access))
    // XEP-0060 §8.1.2.
    throw new StanzaError(
      "not-acceptable",
      "modify",
      `access model \`${access.slice(0, 40)}\` is none of ${ACCESS_MODELS.join(", ")}`,
      { name: "unsupported-access-model", xmlns: NS.PUBSUB_ERRORS },
    );
  const compression = single(form, FIELD.COMPRESSION) ?? base.compression ?? "shared";
  if (!isCompression(compression))
    throw invalid(`compression \`${compression.slice(0, 40)}\` is none of ${COMPRESSIONS.join(", ")}`);
  const members = several(form, FIELD.MEMBERS);
  if (members !== undefined && members.length > maxMembers)
    throw invalid(`${members.length} members, at most ${maxMembers} are allowed`);
  return {
    kind: kind,
    access,
    compression,
    opaque: boolean(form, FIELD.OPAQUE) ?? base.opaque ?? false,
    // XEP-0004 §3.3: of a JID that stands there twice, the second is ignored.
    members: members === undefined ? base.members : new Set(members.map(accountOf)),
    // An empty title is none; of what has no such value, an empty field changes nothing.
    title: form.fields.has(FIELD.TITLE) ? readTitle(form) : base.title,
  };
}

/** Cut short it would be another title, and perhaps end within a surrogate pair. */
function readTitle(form: DataForm): string {
  const title = single(form, FIELD.TITLE) ?? "";
  if (title.length > MAX_TITLE_CHARS)
    throw invalid(`${FIELD.TITLE} has ${title.length} characters, at most ${MAX_TITLE_CHARS} are allowed`);
  return title;
}

export const LEASE_FIELDS: readonly string[] = [FIELD.INCARNATION, FIELD.TAKE_OVER];

export function readLeaseRequest(form: DataForm | undefined): LeaseRequest {
  if (form === undefined) return ANY_LEASE;
  const given = single(form, FIELD.INCARNATION);
  const incarnation = given === undefined ? undefined : /^[1-9]\d{0,15}$/.test(given) ? Number(given) : NaN;
  if (incarnation !== undefined && !Number.isSafeInteger(incarnation))
    throw invalid(
      `${FIELD.INCARNATION} \`${given?.slice(0, 40)}\` is no whole number from 1 to ${Number.MAX_SAFE_INTEGER}`,
    );
  return { incarnation, takeOver: boolean(form, FIELD.TAKE_OVER) ?? false };
}

function isCompression(text: string): text is Compression {
  return (COMPRESSIONS as readonly string[]).includes(text);
}

function isAccessModel(text: string): text is AccessModel {
  return (ACCESS_MODELS as readonly string[]).includes(text);
}

export function formatServiceConfig(config: ServiceConfig): Record<string, string | string[]> {
  return {
    [FIELD.KIND]: config.kind,
    [FIELD.ACCESS_MODEL]: config.access,
    [FIELD.COMPRESSION]: config.compression ?? "shared",
    [FIELD.OPAQUE]: config.opaque === true ? "1" : "0",
    [FIELD.TITLE]: config.title,
    [FIELD.MEMBERS]: [...config.members],
  };
}

export interface AskedOptions {
  /** In ms; 0: every update at once. */
  readonly windowMs: number;
  /** As it was asked for: `grantSelection` checks its bounds. */
  readonly selection: Selection;
}

export interface ChangedOptions extends AskedOptions {
  /** Rows that it takes in all, if that is more than before; undefined: as before. */
  readonly credit?: number | undefined;
}

export interface SubscribeOptions extends AskedOptions {
  /** Where in a log it begins; undefined: with what comes from now on. */
  readonly since: Since | undefined;
  /** Rows that it takes before its first CREDIT; Infinity: it gives none. */
  readonly credit: number;
}

/** What subscription options ask for. Without a form: every update at once, whole, from now on. */
export function readSubscribeOptions(form: DataForm | undefined): SubscribeOptions {
  if (form === undefined) return { windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity };
  return { ...readOptions(form), since: readSince(form), credit: readCredit(form) ?? Infinity };
}

/** What a change of options asks for. Where a log begins was decided before: `since` is read, and means nothing. */
export function readChangedOptions(form: DataForm): ChangedOptions {
  readSince(form);
  return { ...readOptions(form), credit: readCredit(form) };
}

function readSince(form: DataForm): Since | undefined {
  const since = single(form, FIELD.SINCE);
  return since === undefined ? undefined : parseSince(since);
}

function readCredit(form: DataForm): number | undefined {
  const credit = single(form, FIELD.CREDIT);
  if (credit === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(credit))
    throw invalid(
      `${FIELD.CREDIT} \`${credit.slice(0, 40)}\` is no whole number of rows from 1 to 999999999`,
    );
  return Number(credit);
}

/** Window and selection asked for (XEP-0060 §16.4.2: digest, digest_frequency in ms). What the form leaves out has its default. */
function readOptions(form: DataForm): AskedOptions {
  checkOwnFields(form, [FIELD.DELIVERY, FIELD.SINCE, FIELD.CREDIT, ...SELECTION_FIELDS]);
  const delivery = single(form, FIELD.DELIVERY) ?? "link";
  if (delivery === "event" || delivery === "body")
    throw new StanzapackError(
      "unsupported",
      `delivery \`${delivery}\` is not in this version, only \`link\``,
    );
  if (delivery !== "link") throw invalid(`delivery \`${delivery}\` is none of link, event, body`);
  return { windowMs: readWindow(form), selection: parseSelectionFields(form.fields) };
}

function readWindow(form: DataForm): number {
  const digest = boolean(form, FIELD.DIGEST);
  const frequency = single(form, FIELD.DIGEST_FREQUENCY);
  if (digest === false || frequency === undefined) return 0;
  const windowMs = /^\d{1,9}$/.test(frequency) ? Number(frequency) : NaN;
  if (!(windowMs <= MAX_WINDOW_MS))
    throw invalid(
      `${FIELD.DIGEST_FREQUENCY} \`${frequency.slice(0, 40)}\` is no whole number of ms from 0 to ${MAX_WINDOW_MS}`,
    );
  return windowMs;
}

export interface GrantedOptions {
  readonly windowMs: number;
  readonly selection: Selection;
  /** Of a log: behind which position it begins. */
  readonly begun?: { readonly epoch: number; readonly offset: number } | undefined;
  /** Whether everything from where it was to begin is there; undefined where that was not asked. */
  readonly recovered?: boolean | undefined;
}

export function formatOptions({
  windowMs,
  selection,
  begun,
  recovered,
}: GrantedOptions): Record<string, string | readonly string[]> {
  return {
    ...(begun === undefined ? {} : { [FIELD.POSITION]: formatSince(begun) }),
    ...(recovered === undefined ? {} : { [FIELD.RECOVERED]: recovered ? "1" : "0" }),
    [FIELD.DIGEST]: windowMs === 0 ? "0" : "1",
    [FIELD.DIGEST_FREQUENCY]: String(windowMs),
    [FIELD.DELIVERY]: "link",
    ...formatSelectionFields(selection),
  };
}
