import { assertNever, StanzapackError, type Frame } from "@stanzapack/wire";
import type { Logger } from "pino";
import type { ComponentStats } from "../base/stats.js";
import type { Broker } from "../broker/broker.js";
import type { FrameRequests } from "../subscriptions/frame-requests.js";
import { takeCredit } from "../subscriptions/credit.js";
import { takeRepair } from "../subscriptions/repair.js";
import type { ClientLink } from "./client-link.js";

/** A client that said BYE closes its bytestream within this, in ms, or the component does. */
const CLOSE_MS = 2_000;

type AliasedFrame = Extract<Frame, { type: "data" | "coded" | "status" }>;

/** Gives each frame of a client to the part of the component that handles it. */
export class FrameDispatch {
  constructor(
    private readonly broker: Broker,
    private readonly requests: FrameRequests,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
    /** Ends the link of a client that said BYE, and leaves the bytestream to the client. */
    private readonly onBye: (link: ClientLink, why: string) => void,
  ) {}

  /** Handles one frame, at the monotonic time `now`. Throws what ends the link. */
  dispatch(link: ClientLink, frame: Frame, now: number): void {
    if (link.ended) return;
    this.stats.framesReceived[frame.type]++;
    switch (frame.type) {
      case "hello":
        link.applyHello(frame);
        return link.envelope.start(frame, link.session.lean, now);
      case "envelope":
        return link.envelope.onFrame(frame);
      case "ack":
        return;
      case "data":
      case "coded":
      case "status":
        return this.published(link, frame, now);
      case "subscribe":
      case "change":
      case "resume":
        // A link that its client closed gets no more subscriptions.
        if (link.closedAt === undefined) this.requests.accept(link, frame);
        return;
      case "call":
        // A link that its client closed gets no more results.
        if (link.closedAt === undefined) this.broker.calls.take(link, frame);
        return;
      case "result":
        // The caller pays for these bytes.
        link.inbox.blockBytes -= this.broker.calls.result(link, frame);
        return;
      case "bye":
        if (frame.code === "stopped") {
          this.requests.resumption.forget(link);
          this.broker.calls.stopped(link);
        }
        // The client closes the bytestream. If it does not, this side does.
        link.stream.expectClose(CLOSE_MS);
        return this.onBye(link, `the client said ${frame.code}`);
      case "error":
        // Logged as `debug`, because one block may hold ten thousand of them, and `info` is written by default.
        this.log.debug({ jid: link.jid, code: frame.code, alias: frame.alias }, `client: ${frame.text}`);
        return;
      case "credit":
        return takeCredit(link, frame, now, this.broker.cursors);
      case "repair":
        if (link.closedAt === undefined) takeRepair(link, frame);
        return;
      case "bind":
      case "nodes":
      case "digest":
      case "demand":
      case "kept":
      case "snapshot":
      case "grant":
      case "refused":
      case "done":
        throw new StanzapackError("protocol", `only the component sends ${frame.type}`, { origin: "peer" });
      default:
        assertNever(frame);
    }
  }

  private published(link: ClientLink, frame: AliasedFrame, now: number): void {
    const service = link.services.get(frame.alias);
    if (service !== undefined)
      return frame.type === "status"
        ? this.broker.status.set(service, frame)
        : this.broker.publishing.publish(service, frame, now);
    // Data for a withdrawn service may still have been on its way. An alias that was never bound is a fault.
    if (link.isRetired(frame.alias)) return;
    throw new StanzapackError(
      "unknown-alias",
      `${frame.type === "status" ? "STATUS" : "DATA"} for alias ${frame.alias}, which is not a service of this link`,
      { origin: "peer" },
    );
  }
}
