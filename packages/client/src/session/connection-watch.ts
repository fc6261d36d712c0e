import { StanzapackError } from "@stanzapack/wire";
import { beat, NS, type Connection } from "@stanzapack/xmpp";
import type { Approvals } from "../publish/approvals.js";
import type { Publishing } from "../publish/publishing.js";
import type { ClientState } from "./client-state.js";
import type { LinkKeeper } from "./link-keeper.js";

/** Longest time from the end of a hold-up until the client notices it, in ms. */
const BEAT_MS = 1_000;

/** The parts of a client that hear of its connection. */
export interface ConnectionListeners {
  readonly keeper: LinkKeeper;
  readonly publishing: Publishing;
  readonly approvals: Approvals;
  readonly state: ClientState;
  /** This process could do nothing for `ms` ms. */
  readonly onHeldUp: (ms: number) => void;
  /** The connection has ended for good. */
  readonly onEnded: (reason: unknown) => void;
}

/** Connects the events of the connection, and hold-ups of this process, to the client. Returns what undoes it. */
export function watchConnection(
  connection: Connection,
  { keeper, publishing, approvals, state, onHeldUp, onEnded }: ConnectionListeners,
): (() => void)[] {
  return [
    beat(
      BEAT_MS,
      () => undefined,
      (ms) => {
        void keeper.link?.ask();
        onHeldUp(ms);
      },
      // The component may have given up a machine that slept.
      (ms) => {
        if (ms > 0) void keeper.link?.ask();
      },
    ),
    approvals.register(),
    // The answer is a barrier: the client acknowledges everything received before it answers.
    connection.onIq("get", NS.PING, "ping", () => {
      keeper.link?.sendAck();
      return undefined;
    }),
    connection.on("online", ({ resumed }) => {
      state.onStream(resumed);
      if (resumed) {
        publishing.release();
        keeper.link?.askWhole();
      } else
        keeper.abandon(
          new StanzapackError("disconnected", "the session could not be resumed", { origin: "transport" }),
        );
      keeper.streamIsBack();
    }),
    connection.on("offline", () => keeper.streamIsGone()),
    connection.on("drain", () => publishing.release()),
    connection.on("ended", onEnded),
  ];
}
