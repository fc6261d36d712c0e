import { encodeLanePrefix, type BodyForm } from "@stanzapack/wire";
import { encodeBase64, type LeanBody } from "@stanzapack/xmpp";

/**
 * Prefixes of aliases below this are kept, some 60 bytes each. 16,384: a link has at most 10,000 subscriptions at once,
 * and mostly few.
 */
const KEPT_ALIASES = 16_384;

/** Prefixes by form and alias, as base64. They are the same for all links. */
const prefixes = new Map<BodyForm, Map<number, string>>();

/** A body of DATA or SNAPSHOT ready to be put behind any subscriber's prefix. */
export class ReadyBody {
  private frameAlias = -1;
  private frame = "";

  constructor(
    readonly form: BodyForm,
    readonly base64: string,
    /** How many of the last bytes are padding. */
    readonly pad: number,
    readonly rows: number,
    /** The offset of the last row. */
    readonly to: number,
    /** The payload of a chained body, ready for a lean stanza of its own. Undefined: no lean stanza holds it. */
    readonly lean: LeanBody | undefined,
  ) {}

  /**
   * Returns the whole frame, as base64, for a link that knows the subscription by this alias. Links ask one after
   * another, mostly with the same alias, so the last frame is kept.
   */
  frameFor(alias: number): string {
    if (alias !== this.frameAlias) {
      this.frame = prefixOf(this.form, alias) + this.base64;
      this.frameAlias = alias;
    }
    return this.frame;
  }
}

function prefixOf(form: BodyForm, alias: number): string {
  let ofForm = prefixes.get(form);
  if (ofForm === undefined) prefixes.set(form, (ofForm = new Map<number, string>()));
  let prefix = ofForm.get(alias);
  if (prefix === undefined) {
    prefix = encodeBase64(encodeLanePrefix(form, alias));
    if (alias < KEPT_ALIASES) ofForm.set(alias, prefix);
  }
  return prefix;
}
