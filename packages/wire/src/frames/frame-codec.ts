import { StanzapackError, ERRORS, errorCodeOf } from "../base/errors.js";
import {
  encodeCodedBody,
  encodeCodedPrefix,
  encodeDataBody,
  encodeDataPrefix,
  encodeSnapshotBody,
  encodeSnapshotPrefix,
  FORM_TYPE,
  SNAPSHOT_FORMS,
} from "./data-codec.js";
import { callElements, decodeCall, decodeResult, resultElements } from "./call-codec.js";
import { decodeDigest, decodeRepair, digestElements, repairElements } from "./digest-codec.js";
import {
  assertVersion,
  capabilityElements,
  readCapabilities,
  readSiblings,
  siblingElements,
} from "./capabilities.js";
import {
  FRAME,
  MAX_ALIAS,
  type Codec,
  type CodedFrame,
  type DataForm,
  type DataFrame,
  type EnvelopeFrame,
  type Frame,
  type HopClass,
  type ServiceStatus,
  type SnapshotFrame,
} from "./frames.js";
import { clip, MAX_NODE_CHARS, MAX_TOKEN_BYTES, MAX_UINT32, millis, uint, utf8 } from "./frame-elements.js";
import { FrameFields } from "./frame-fields.js";
import { assertWithin, DEFAULT_LIMITS, type Limits } from "../base/limits.js";
import { NIL } from "../msgpack/msgpack.js";
import { measureValue } from "../msgpack/msgpack-measure.js";
import { MsgpackReader } from "../msgpack/msgpack-reader.js";
import { decodeRequestFrame, requestElements } from "./request-codec.js";
import { SERVICE_KINDS } from "../options/service.js";
import { encodeElements } from "../msgpack/update.js";

const TYPE_FORM = new Map<number, DataForm>([
  [FRAME.DATA_ROWS, "rows"],
  [FRAME.DATA_DEFLATED, "deflated"],
]);
const HOPS = ["plain", "compressed"] as const satisfies readonly HopClass[];
const STATUSES = ["online", "offline", "paused"] as const satisfies readonly ServiceStatus[];
const WORDS = ["confirm", "ask", "granted", "resume"] as const satisfies readonly EnvelopeFrame["word"][];
const DATA_FORMS = ["rows", "deflated"] as const satisfies readonly DataForm[];

const CODEC_TYPE: Record<Codec, number> = { ...FORM_TYPE, coded: FRAME.CODED_CHAINED, map: FRAME.CODED_MAP };
const TYPE_CODEC = new Map<number, Codec>(
  Object.entries(CODEC_TYPE).map(([codec, type]) => [type, codec as Codec]),
);

/** Other bounds of single elements. They are small, and of no use to an operator, so `Limits` does not have them. */
const MAX_VERSION = 255;
const MAX_CODECS = 32;
const MAX_SUBID_CHARS = 64;

/** Pads a frame to a multiple of three bytes. So a block can be made by concatenating the base64 of its frames. */
export function pad(bytes: Uint8Array): Uint8Array {
  const over = bytes.length % 3;
  if (over === 0) return bytes;
  const padded = new Uint8Array(bytes.length + 3 - over).fill(NIL, bytes.length);
  padded.set(bytes);
  return padded;
}

/** Returns the bytes of padding at the end of a frame that `encodeFrame` returned: 0, 1 or 2. */
export function padOf(frame: Uint8Array): number {
  return frame.length - measureValue(frame, 0, DEFAULT_LIMITS);
}

/**
 * Returns a whole frame, padded to a multiple of three bytes. Throws `internal` for an element that no peer would
 * accept, and `limit-exceeded` for a payload that fits no block.
 */
export function encodeFrame(frame: Frame): Uint8Array {
  if (frame.type === "data") return join(encodeDataPrefix(frame.form, frame.alias), encodeDataBody(frame));
  if (frame.type === "coded") return join(encodeCodedPrefix(frame.form, frame.alias), encodeCodedBody(frame));
  if (frame.type === "snapshot") return join(encodeSnapshotPrefix(frame.alias), encodeSnapshotBody(frame));
  return pad(encodeElements(elementsOf(frame)));
}

function join(prefix: Uint8Array, body: Uint8Array): Uint8Array {
  const whole = new Uint8Array(prefix.length + body.length);
  whole.set(prefix);
  whole.set(body, prefix.length);
  return whole;
}

function elementsOf(frame: Exclude<Frame, DataFrame | CodedFrame | SnapshotFrame>): readonly unknown[] {
  switch (frame.type) {
    case "hello":
      return [
        FRAME.HELLO,
        uint(frame.version, "version", MAX_VERSION),
        [
          uint(frame.maxBlockBytes, "maxBlockBytes"),
          uint(frame.maxInflatedBytes, "maxInflatedBytes"),
          uint(frame.maxStanzaBytes, "maxStanzaBytes"),
        ],
        frame.codecs.map((codec) => CODEC_TYPE[codec]),
        HOPS.indexOf(frame.hop),
        frame.token,
        capabilityElements(frame),
      ];
    case "bind":
      return frame.role === "subscription"
        ? [
            FRAME.BIND,
            uint(frame.alias, "alias", MAX_ALIAS),
            0,
            utf8(frame.node, "node"),
            frame.subid,
            SERVICE_KINDS.indexOf(frame.kind),
            uint(frame.baseAt, "baseAt"),
          ]
        : [
            FRAME.BIND,
            uint(frame.alias, "alias", MAX_ALIAS),
            1,
            utf8(frame.node, "node"),
            uint(frame.incarnation, "incarnation"),
            uint(frame.sequence, "sequence"),
          ];
    case "ack":
      return [FRAME.ACK, frame.stanzas >>> 0];
    case "kept":
      return [
        FRAME.KEPT,
        uint(frame.alias, "alias", MAX_ALIAS),
        uint(frame.incarnation, "incarnation"),
        uint(frame.sequence, "sequence"),
      ];
    case "credit":
      return [
        FRAME.CREDIT,
        frame.alias === null ? null : uint(frame.alias, "alias", MAX_ALIAS),
        frame.alias === null ? frame.total >>> 0 : uint(frame.total, "rows"),
      ];
    case "demand":
      return [
        FRAME.DEMAND,
        uint(frame.alias, "alias", MAX_ALIAS),
        uint(frame.subscribers, "subscribers"),
        frame.windowMs === null ? null : uint(frame.windowMs, "windowMs"),
      ];
    case "status":
      return [
        FRAME.STATUS,
        uint(frame.alias, "alias", MAX_ALIAS),
        STATUSES.indexOf(frame.status),
        frame.windowMs === null ? null : uint(frame.windowMs, "windowMs"),
      ];
    case "error":
      return [
        FRAME.ERROR,
        frame.alias === null ? null : uint(frame.alias, "alias", MAX_ALIAS),
        ERRORS[frame.code].wire,
        clip(frame.text),
        frame.retryAfterMs === null ? null : millis(frame.retryAfterMs),
      ];
    case "envelope":
      return [FRAME.ENVELOPE, WORDS.indexOf(frame.word), uint(frame.value, "value", MAX_UINT32)];
    case "nodes":
      return [FRAME.NODES, siblingElements(frame.siblings)];
    case "call":
      return callElements(frame);
    case "result":
      return resultElements(frame);
    case "digest":
      return digestElements(frame);
    case "repair":
      return repairElements(frame);
    case "bye":
      return [FRAME.BYE, ERRORS[frame.code].wire, clip(frame.text)];
    default:
      return requestElements(frame);
  }
}

/** Decodes one frame, whose extent `measureValue` found. Throws `malformed`, `limit-exceeded` or `version-mismatch`. */
export function decodeFrame(bytes: Uint8Array, limits: Limits): Frame {
  assertWithin(bytes.length, limits.maxFrameBytes, "frame");
  const reader = new MsgpackReader(bytes);
  const count = reader.array();
  if (count === undefined || count === 0)
    throw new StanzapackError("malformed", "a frame is not a msgpack array with a type", { origin: "peer" });
  const f = new FrameFields(reader, count);
  const type = f.uint();
  switch (type) {
    case FRAME.HELLO: {
      f.name = "HELLO";
      const version = f.uint(MAX_VERSION);
      assertVersion(version);
      const [maxBlockBytes, maxInflatedBytes, maxStanzaBytes] = f.uints(3) as [number, number, number];
      return f.end({
        type: "hello",
        version,
        maxBlockBytes,
        maxInflatedBytes,
        maxStanzaBytes,
        // Codecs that this program does not know are skipped, not refused: a newer peer may list them.
        codecs: f.uints(MAX_CODECS, false).flatMap((number) => TYPE_CODEC.get(number) ?? []),
        hop: f.oneOf(HOPS),
        token: f.bytesOrNil(MAX_TOKEN_BYTES),
        ...readCapabilities(f),
      });
    }
    case FRAME.BIND: {
      f.name = "BIND";
      const alias = f.alias();
      return f.uint(1) === 0
        ? f.end({
            type: "bind",
            role: "subscription",
            alias,
            node: f.text(MAX_NODE_CHARS),
            subid: f.text(MAX_SUBID_CHARS),
            kind: f.oneOf(SERVICE_KINDS),
            baseAt: f.uint(),
          })
        : f.end({
            type: "bind",
            role: "service",
            alias,
            node: f.text(MAX_NODE_CHARS),
            incarnation: f.uint(),
            sequence: f.uint(),
          });
    }
    case FRAME.DATA_ROWS:
    case FRAME.DATA_DEFLATED: {
      f.name = "DATA";
      const alias = f.alias();
      const [epoch, from, to] = f.uints(3) as [number, number, number];
      if (from > to || from === 0)
        throw new StanzapackError("malformed", `DATA: the range ${from}..${to} is empty or begins at 0`, {
          origin: "peer",
        });
      return f.end({
        type: "data",
        alias,
        form: TYPE_FORM.get(type) as DataForm,
        epoch,
        from,
        to,
        at: f.uint(),
        spanMs: f.uint(),
        payload: f.bytes(),
      });
    }
    case FRAME.CODED_CHAINED:
      f.name = "DATA";
      return f.end({ type: "coded", form: "chained", alias: f.alias(), payload: f.bytes() });
    case FRAME.CODED_WIDE:
      f.name = "DATA";
      return f.end({
        type: "coded",
        form: "wide",
        alias: f.alias(),
        chain: f.uint(MAX_UINT32),
        epoch: f.uint(),
        from: f.position(),
        check: f.uint(MAX_UINT32),
        payload: f.bytes(),
      });
    case FRAME.CODED_KEY:
    case FRAME.CODED_MAP:
      f.name = "DATA";
      return f.end({
        type: "coded",
        form: type === FRAME.CODED_KEY ? "key" : "map",
        alias: f.alias(),
        chain: f.uint(MAX_UINT32),
        epoch: f.uint(),
        from: f.position(),
        payload: f.bytes(),
      });
    case FRAME.CODED_INDEPENDENT:
      f.name = "DATA";
      return f.end({
        type: "coded",
        form: "independent",
        alias: f.alias(),
        epoch: f.uint(),
        from: f.position(),
        payload: f.bytes(),
      });
    case FRAME.SNAPSHOT: {
      f.name = "SNAPSHOT";
      const [alias, epoch, from, to] = [f.alias(), f.uint(), f.position(), f.uint()];
      const begins = f.uint(1) === 1;
      if (from > to + 1 || (begins && from !== 1)) throw f.wrong(`the range ${from}..${to} is not possible`);
      return f.end({
        ...{ type: "snapshot", alias, epoch, from, to, begins },
        ...{ left: f.uint(), form: f.oneOf(SNAPSHOT_FORMS), payload: f.bytes() },
      });
    }
    case FRAME.ACK:
      f.name = "ACK";
      return f.end({ type: "ack", stanzas: f.uint(MAX_UINT32) });
    case FRAME.KEPT:
      f.name = "KEPT";
      return f.end({ type: "kept", alias: f.alias(), incarnation: f.uint(), sequence: f.uint() });
    case FRAME.CREDIT: {
      f.name = "CREDIT";
      const alias = f.uintOrNil(MAX_ALIAS);
      return f.end({ type: "credit", alias, total: f.uint(alias === null ? MAX_UINT32 : undefined) });
    }
    case FRAME.DEMAND:
      f.name = "DEMAND";
      return f.end({ type: "demand", alias: f.alias(), subscribers: f.uint(), windowMs: f.uintOrNil() });
    case FRAME.STATUS:
      f.name = "STATUS";
      return f.end({ type: "status", alias: f.alias(), status: f.oneOf(STATUSES), windowMs: f.uintOrNil() });
    case FRAME.ERROR:
      f.name = "ERROR";
      return f.end({
        type: "error",
        alias: f.uintOrNil(MAX_ALIAS),
        code: errorCodeOf(f.uint()),
        text: f.text(limits.maxTextChars),
        retryAfterMs: f.uintOrNil(),
      });
    case FRAME.ENVELOPE:
      f.name = "ENVELOPE";
      return f.end({ type: "envelope", word: f.oneOf(WORDS), value: f.uint(MAX_UINT32) });
    case FRAME.NODES:
      f.name = "NODES";
      return f.end({ type: "nodes", siblings: readSiblings((...bounds) => f.textsAndUints(...bounds)) });
    case FRAME.CALL:
      return f.end(decodeCall(f, limits));
    case FRAME.RESULT:
      return f.end(decodeResult(f, limits));
    case FRAME.DIGEST:
      return f.end(decodeDigest(f));
    case FRAME.REPAIR:
      return f.end(decodeRepair(f));
    case FRAME.BYE:
      f.name = "BYE";
      return f.end({ type: "bye", code: errorCodeOf(f.uint()), text: f.text(limits.maxTextChars) });
    default: {
      const request = decodeRequestFrame(type, f, limits);
      if (request !== undefined) return f.end(request);
      throw new StanzapackError("malformed", `frame type ${type} is not in the set`, { origin: "peer" });
    }
  }
}

export { DATA_FORMS };
