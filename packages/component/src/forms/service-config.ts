import { SERVICE_KINDS, type ServiceKind } from "@stanzapack/wire";
import { NS, StanzaError, type DataForm } from "@stanzapack/xmpp";
import {
  ACCESS_MODELS,
  ANY_LEASE,
  COMPRESSIONS,
  DEFAULT_CONFIG,
  DURABILITIES,
  type AccessModel,
  type Compression,
  type Durability,
  type LeaseRequest,
  type ServiceConfig,
} from "../options/service-config.js";
import { accountOf } from "./addresses.js";
import { unsupported } from "./errors.js";
import { FIELD } from "./our-fields.js";
import { boolean, checkOwnFields, invalid, several, single } from "./submissions.js";

/** Longest title, in UTF-16 code units. */
const MAX_TITLE_CHARS = 256;
/** Value of a bound that leaves the bound to the operator (XEP-0060 §16.4.4). */
const MAX = "max";

/**
 * Returns the node configuration of a form (XEP-0060 §8.1.3, §8.2). A field that the form leaves out keeps its value
 * in `current`, or has its default.
 */
export function readServiceConfig(
  form: DataForm | undefined,
  current: ServiceConfig | undefined,
  maxMembers: number,
  /** Further fields of ours that the form may have. */
  more: readonly string[] = [],
): ServiceConfig {
  const base = current ?? DEFAULT_CONFIG;
  if (form === undefined) return base;
  checkOwnFields(form, [
    FIELD.KIND,
    FIELD.COMPRESSION,
    FIELD.OPAQUE,
    FIELD.DURABILITY,
    FIELD.MEMBERS,
    FIELD.MAX_BYTES,
    ...more,
  ]);
  const nodeType = single(form, FIELD.NODE_TYPE) ?? "leaf";
  // XEP-0248 §7.1.
  if (nodeType !== "leaf") throw unsupported("collections", `a node of type \`${nodeType.slice(0, 40)}\``);
  const kind = single(form, FIELD.KIND) ?? base.kind;
  if (!isServiceKind(kind))
    throw invalid(`kind \`${kind.slice(0, 40)}\` is not one of ${SERVICE_KINDS.join(", ")}`);
  const access = single(form, FIELD.ACCESS_MODEL) ?? base.access;
  if (!isAccessModel(access))
    // XEP-0060 §8.1.2.
    throw new StanzaError(
      "not-acceptable",
      "modify",
      `access model \`${access.slice(0, 40)}\` is not one of ${ACCESS_MODELS.join(", ")}`,
      { name: "unsupported-access-model", xmlns: NS.PUBSUB_ERRORS },
    );
  const compression = single(form, FIELD.COMPRESSION) ?? base.compression ?? "shared";
  if (!isCompression(compression))
    throw invalid(`compression \`${compression.slice(0, 40)}\` is not one of ${COMPRESSIONS.join(", ")}`);
  const durability = single(form, FIELD.DURABILITY) ?? base.durability;
  if (durability !== undefined && !isDurability(durability))
    throw invalid(`durability \`${durability.slice(0, 40)}\` is not one of ${DURABILITIES.join(", ")}`);
  const opaque = boolean(form, FIELD.OPAQUE) ?? base.opaque ?? false;
  if (opaque && kind === "map")
    throw invalid("a map cannot be opaque, because the component reads its keys: encrypt its values instead");
  const members = several(form, FIELD.MEMBERS);
  if (members !== undefined && members.length > maxMembers)
    throw invalid(`${members.length} members, at most ${maxMembers} are allowed`);
  return {
    kind: kind,
    access,
    compression,
    opaque,
    ...(durability === undefined ? {} : { durability }),
    ...readRetention(form, kind, base),
    // XEP-0004 §3.3: a JID that is listed twice counts once.
    members: members === undefined ? base.members : new Set(members.map(accountOf)),
    // An empty field means that there is no title. For a value that cannot be empty, an empty field changes nothing.
    title: form.fields.has(FIELD.TITLE) ? readTitle(form) : base.title,
  };
}

/**
 * Returns how much a log or a map keeps at most. The fields of XEP-0060 (§16.4.4) are ignored where they do not apply,
 * since programs send them with any node: both for a value, `item_expire` for a map.
 */
function readRetention(form: DataForm, kind: ServiceKind, base: ServiceConfig): Partial<ServiceConfig> {
  if (kind === "value") {
    if (single(form, FIELD.MAX_BYTES) !== undefined)
      throw invalid(`${FIELD.MAX_BYTES} is for services of kind log or map, not ${kind}`);
    return {};
  }
  const [maxItems, itemExpireSeconds, maxBytes] = [
    bound(form, FIELD.MAX_ITEMS, base.maxItems),
    kind === "log" ? bound(form, FIELD.ITEM_EXPIRE, base.itemExpireSeconds) : undefined,
    bound(form, FIELD.MAX_BYTES, base.maxBytes),
  ];
  return {
    ...(maxItems === undefined ? {} : { maxItems }),
    ...(itemExpireSeconds === undefined ? {} : { itemExpireSeconds }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  };
}

/** Returns a number from 1 on. Undefined: `max`, which is the operator's limit. */
function bound(form: DataForm, name: string, base: number | undefined): number | undefined {
  const text = single(form, name);
  if (text === undefined) return base;
  if (text === MAX) return undefined;
  const number = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(number))
    throw invalid(`${name} \`${text.slice(0, 40)}\` is neither \`${MAX}\` nor a whole number from 1 on`);
  return number;
}

/**
 * Returns the title. A title that is too long is refused: cut short, it would be another title, and perhaps end within
 * a surrogate pair.
 */
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
      `${FIELD.INCARNATION} \`${given?.slice(0, 40)}\` is not a whole number from 1 to ${Number.MAX_SAFE_INTEGER}`,
    );
  return { incarnation, takeOver: boolean(form, FIELD.TAKE_OVER) ?? false };
}

function isServiceKind(text: string): text is ServiceKind {
  return (SERVICE_KINDS as readonly string[]).includes(text);
}

function isCompression(text: string): text is Compression {
  return (COMPRESSIONS as readonly string[]).includes(text);
}

function isDurability(text: string): text is Durability {
  return (DURABILITIES as readonly string[]).includes(text);
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
    [FIELD.DURABILITY]: config.durability ?? "none",
    ...(config.kind !== "value" && {
      [FIELD.MAX_ITEMS]: String(config.maxItems ?? MAX),
      ...(config.kind === "log" && { [FIELD.ITEM_EXPIRE]: String(config.itemExpireSeconds ?? MAX) }),
      [FIELD.MAX_BYTES]: String(config.maxBytes ?? MAX),
    }),
    [FIELD.TITLE]: config.title,
    [FIELD.MEMBERS]: [...config.members],
  };
}
