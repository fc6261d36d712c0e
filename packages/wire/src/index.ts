export {
  ChainDecoder,
  ChainEncoder,
  DEFAULT_CHAIN_POLICY,
  type ChainBatch,
  type ChainBody,
  type ChainPolicy,
} from "./codec/chain.js";
export { ColumnCodec, DEFAULT_CODEC_LIMITS, type CodecLimits, type RowsBatch } from "./codec/column-codec.js";
export { hopCost } from "./codec/hop-cost.js";
export { isolatedParts } from "./codec/isolated-parts.js";
export {
  beginsAnew,
  DEFAULT_LANE_POLICY,
  encodeLaneBody,
  encodeLanePrefix,
  LaneEncoder,
  type LaneBatch,
  type LaneBody,
  type LaneEncoderOptions,
  type LanePolicy,
  type PlainBody,
} from "./codec/lane-encoder.js";
export { ReadBudget } from "./codec/read-budget.js";
export { DataReader, type DataBatch, type PackedBatch } from "./data-reader.js";
export { checkArgument, checkOptions, describeUnknownName, type OptionSchema } from "./check-options.js";
export { createBlockWriter, decodeBlock, type BlockWriter, type ReadyBlock } from "./block.js";
export { codeOfCondition, codeOfPubsubCondition, isReadFromCondition } from "./conditions.js";
export { assertNever, ERRORS, errorCodeOf, linkCodeOf, StanzapackError } from "./errors.js";
export type { ErrorCode, ErrorDetails, ErrorOrigin, ErrorRow, ErrorScope } from "./errors.js";
export {
  DATA_FORMS,
  decodeFrame,
  encodeCodedBody,
  encodeCodedPrefix,
  encodeDataBody,
  encodeDataPrefix,
  encodeFrame,
  padOf,
  padOfBody,
  type DataBodyFields,
} from "./frame-codec.js";
export { FRAME, MAX_ALIAS, PROTOCOL_VERSION } from "./frames.js";
export type * from "./frames.js";
export { Envelope, PROBE_MS, type EnvelopePort } from "./envelope.js";
export { createHello } from "./hello.js";
export { assertWithin, DEFAULT_LIMITS, type Limits } from "./limits.js";
export { DEFAULT_LINK_POLICY, LinkSession, type LinkPolicy } from "./link-session.js";
export type { Value } from "./msgpack.js";
export { measureValue } from "./msgpack-measure.js";
export { fromOptionFields, MAX_OPTION_BYTES, optionBytes, toOptionFields } from "./option-fields.js";
export {
  abortSignal,
  allOptional,
  callable,
  either,
  exactly,
  finiteNumber,
  flag,
  listOf,
  objectOf,
  objectWith,
  oneOf,
  orNull,
  plainText,
  textThat,
  wholeNumber,
} from "./option-schemas.js";
export { Position, type PositionEvent } from "./position.js";
export { createRawDeflate, type RawDeflate } from "./raw-deflate.js";
export { RowBatch, type BatchBounds, type BatchSlice } from "./row-batch.js";
export { createRowCodec, decodeRow, type EncodedRows, type RowCodec } from "./row-codec.js";
export {
  formatNode,
  grantWindow,
  isPattern,
  isServiceName,
  matchesPattern,
  MAX_WINDOW_MS,
  parseNode,
  parsePattern,
  SERVICE_KINDS,
} from "./service.js";
export type { NodeId, NodePattern, ServiceKind } from "./service.js";
export { formatSelectionFields, parseSelectionFields, SELECTION_FIELDS } from "./selection-fields.js";
export {
  grantSelection,
  isThinning,
  SELECTION_BOUNDS,
  WHOLE,
  withoutLooking,
  withoutThinning,
  type Selection,
} from "./selection.js";
export { encodeUpdate } from "./update.js";
export { formatSince, parseSince, type Since } from "./since.js";
export { unfitCharacter } from "./xml-text.js";
