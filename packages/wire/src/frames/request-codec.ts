import { assertNever, ERRORS, errorCodeOf } from "../base/errors.js";
import { clip, MAX_NODE_CHARS, MAX_TOKEN_BYTES, MAX_UINT32, millis, uint, utf8 } from "./frame-elements.js";
import type { FrameFields } from "./frame-fields.js";
import { FRAME, MAX_ALIAS, type AnswerFrame, type OptionFields, type RequestFrame } from "./frames.js";
import type { Limits } from "../base/limits.js";

/**
 * Bounds of options, of no use to an operator: the 64 fields of a selection and 16 others, and 128 characters of a
 * name.
 */
const MAX_OPTIONS = 80;
const MAX_OPTION_NAME_CHARS = 128;
/** Values of `recovered`, at the index that stands for each in a frame. */
const RECOVERED = [false, true, null] as const;

/** Returns the elements of a request by frame, or of an answer to one. */
export function requestElements(frame: RequestFrame | AnswerFrame): readonly unknown[] {
  const request = uint(frame.request, "request", MAX_UINT32);
  switch (frame.type) {
    case "subscribe":
      return [
        FRAME.SUBSCRIBE,
        request,
        frame.nodes.map((node) => utf8(node, "node")),
        optionElements(frame.options),
      ];
    case "change":
      return [
        FRAME.CHANGE,
        request,
        aliasElements(frame.aliases),
        frame.patterns.map((pattern) => uint(pattern, "pattern", MAX_UINT32)),
        frame.options === null ? null : optionElements(frame.options),
      ];
    case "resume":
      return [
        FRAME.RESUME,
        request,
        frame.token,
        frame.more ? 1 : 0,
        frame.positions.flatMap(({ alias, epoch, offset }) => [
          uint(alias, "alias", MAX_ALIAS),
          uint(epoch, "epoch"),
          uint(offset, "offset"),
        ]),
      ];
    case "grant":
      return [
        FRAME.GRANT,
        request,
        aliasElements(frame.aliases),
        optionElements(frame.options),
        frame.positions?.flatMap(({ epoch, offset, recovered }) => [
          uint(epoch, "epoch"),
          uint(offset, "offset"),
          RECOVERED.indexOf(recovered),
        ]) ?? null,
      ];
    case "refused":
      return [
        FRAME.REFUSED,
        request,
        frame.targets.map((target) => uint(target, "target", MAX_ALIAS)),
        ERRORS[frame.code].wire,
        clip(frame.text),
        frame.retryAfterMs === null ? null : millis(frame.retryAfterMs),
      ];
    case "done":
      return [FRAME.DONE, request];
    default:
      return assertNever(frame);
  }
}

function aliasElements(aliases: readonly number[]): readonly number[] {
  return aliases.map((alias) => uint(alias, "alias", MAX_ALIAS));
}

function optionElements(options: OptionFields): readonly string[] {
  return options.flatMap(([name, value]) => [utf8(name, "option"), utf8(value, "option")]);
}

/**
 * Reads a request or an answer; the caller checks that the frame ends there. Returns undefined for another type of
 * frame. Throws `malformed` or `limit-exceeded`.
 */
export function decodeRequestFrame(
  type: number,
  f: FrameFields,
  limits: Limits,
): RequestFrame | AnswerFrame | undefined {
  const most = limits.maxTargetsPerFrame;
  switch (type) {
    case FRAME.SUBSCRIBE:
      f.name = "SUBSCRIBE";
      return {
        type: "subscribe",
        request: f.uint(MAX_UINT32),
        nodes: f.texts(most, MAX_NODE_CHARS),
        options: readOptions(f, limits),
      };
    case FRAME.CHANGE:
      f.name = "CHANGE";
      return {
        type: "change",
        request: f.uint(MAX_UINT32),
        aliases: f.list(most, MAX_ALIAS),
        patterns: f.list(most, MAX_UINT32),
        options: f.orNil(() => readOptions(f, limits)),
      };
    case FRAME.RESUME:
      f.name = "RESUME";
      return {
        type: "resume",
        request: f.uint(MAX_UINT32),
        token: f.bytesWithin(MAX_TOKEN_BYTES),
        more: f.uint(1) === 1,
        positions: f
          .groups(most, [MAX_ALIAS, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER])
          .map(
            ([alias, epoch, offset]) =>
              ({ alias, epoch, offset }) as { alias: number; epoch: number; offset: number },
          ),
      };
    case FRAME.GRANT: {
      f.name = "GRANT";
      const request = f.uint(MAX_UINT32);
      const aliases = f.list(most, MAX_ALIAS);
      const options = readOptions(f, limits);
      const positions = f.orNil(() =>
        f
          .groups(most, [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, RECOVERED.length - 1])
          .map(([epoch, offset, recovered]) => ({
            epoch: epoch as number,
            offset: offset as number,
            recovered: RECOVERED[recovered as number] as boolean | null,
          })),
      );
      if (positions !== null && positions.length !== aliases.length)
        throw f.wrong(`${positions.length} positions of ${aliases.length} aliases`);
      return { type: "grant", request, aliases, options, positions };
    }
    case FRAME.REFUSED:
      f.name = "REFUSED";
      return {
        type: "refused",
        request: f.uint(MAX_UINT32),
        targets: f.list(most, MAX_ALIAS),
        code: errorCodeOf(f.uint()),
        text: f.text(limits.maxTextChars),
        retryAfterMs: f.uintOrNil(),
      };
    case FRAME.DONE:
      f.name = "DONE";
      return { type: "done", request: f.uint(MAX_UINT32) };
    default:
      return undefined;
  }
}

function readOptions(f: FrameFields, limits: Limits): OptionFields {
  return f.textPairs(MAX_OPTIONS, MAX_OPTION_NAME_CHARS, limits.maxTextChars);
}
