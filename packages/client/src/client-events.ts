import type { Frame, StanzapackError } from "@stanzapack/wire";
import type { EnvelopeKind } from "./link/link-envelope.js";

export interface ClientEvents {
  /** The link works. `again`: the link follows a break, and everything is restored. */
  online: (info: { readonly again: boolean }) => void;
  /** The link is gone. The client opens another one by itself. */
  offline: (reason: StanzapackError) => void;
  /**
   * This process could do nothing for `ms` ms, because of a long computation or a stop. Updates that were due leave
   * late, and what arrived meanwhile is read now. The client checks whether its link still exists. The monotonic clock
   * measures `ms`: a change of the wall clock does not count. The sleep of a machine does not count if its monotonic
   * clock stands still meanwhile.
   */
  heldUp: (info: { readonly ms: number }) => void;
  /**
   * `lean`: the client sends small blocks as lean stanzas from now on. `ibb`: the first lean stanza did not arrive
   * unchanged within 15 s. Then the link uses only In-Band Bytestreams, which work with any server and take more bytes.
   * Each kind is emitted at most once a link. Neither is emitted with `envelope: "ibb"`, or if the component has no
   * lean stanzas.
   */
  envelope: (kind: EnvelopeKind) => void;
  /** The client has ended for good: the server refused the credentials, or `close` was called. */
  closed: (reason: StanzapackError | undefined) => void;
}

/**
 * Takes the length in characters and the frames of every stanza of the link. It is for meters, and not part of the
 * stable API.
 */
export interface BlockObserver {
  (
    stanzaChars: number,
    frames: readonly { readonly frame: Frame; readonly node: string | undefined }[],
  ): void;
}
