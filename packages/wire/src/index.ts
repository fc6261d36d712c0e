export {
  ChainDecoder,
  ChainEncoder,
  DEFAULT_CHAIN_POLICY,
  type ChainBatch,
  type ChainPolicy,
} from "./bodies/chain.js";
export { ColumnCodec, DEFAULT_CODEC_LIMITS, type CodecLimits, type RowsBatch } from "./codec/column-codec.js";
export { hopCost } from "./bodies/hop-cost.js";
export { isolatedParts } from "./bodies/isolated-parts.js";
export {
  beginsAnew,
  DATA_HEADER_BYTES,
  DEFAULT_LANE_POLICY,
  encodeLaneBody,
  encodeLanePrefix,
  LaneEncoder,
  type LaneBatch,
  type LaneBody,
  type BodyForm,
  type LaneEncoderOptions,
  type LanePolicy,
  type PlainBody,
} from "./bodies/lane-encoder.js";
export { ReadBudget } from "./codec/coder/read-budget.js";
export { DataReader, type DataBatch, type PackedBatch } from "./bodies/data-reader.js";
export {
  checkArgument,
  checkOptions,
  describeUnknownName,
  type OptionSchema,
  type ToError,
} from "./options/check-options.js";
export { hashEntry, type EntryHash } from "./digest/entry-hash.js";
export {
  CHECKSUM_BYTES,
  decodeDiffering,
  DIFFERING_BYTES,
  encodeDiffering,
  hasParts,
  RANGE_PARTS,
  RangeDigest,
  WHOLE_RANGE,
} from "./digest/range-digest.js";
export { isCursorName } from "./options/cursor.js";
export { createBlockWriter, decodeBlock, type BlockWriter, type ReadyBlock } from "./session/block.js";
export {
  codeOfCondition,
  codeOfPubsubCondition,
  isReadFromCondition,
  linkCodeOf,
} from "./base/conditions.js";
export { assertNever, ERRORS, errorCodeOf, StanzapackError } from "./base/errors.js";
export type { ErrorCode, ErrorDetails, ErrorOrigin, ErrorRow, ErrorScope } from "./base/errors.js";
export {
  encodeCodedBody,
  encodeCodedPrefix,
  encodeDataBody,
  encodeDataPrefix,
  encodeSnapshotBody,
  padOfBody,
  type DataBodyFields,
  type SnapshotBodyFields,
} from "./frames/data-codec.js";
export { MAX_REPAIR_RANGES } from "./frames/digest-codec.js";
export { DATA_FORMS, decodeFrame, encodeFrame, padOf } from "./frames/frame-codec.js";
export { type ChainBody, FRAME, MAX_ALIAS, PROTOCOL_VERSION } from "./frames/frames.js";
export type * from "./frames/frames.js";
export { Envelope, PROBE_MS, type EnvelopePort } from "./session/envelope.js";
export { createHello } from "./frames/hello.js";
export { MAX_SIBLINGS, MAX_WEIGHT } from "./frames/capabilities.js";
export { byteCountOf, concatBytes } from "./base/bytes.js";
export { assertWithin, DEFAULT_LIMITS, type Limits } from "./base/limits.js";
export { DEFAULT_LINK_POLICY, LinkSession, type LinkPolicy } from "./session/link-session.js";
export type { Value } from "./msgpack/msgpack.js";
export { measureValue } from "./msgpack/msgpack-measure.js";
export { fromOptionFields, MAX_OPTION_BYTES, optionBytes, toOptionFields } from "./frames/option-fields.js";
export {
  abortSignal,
  allOptional,
  anything,
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
} from "./options/option-schemas.js";
export { Position, type PositionEvent } from "./session/position.js";
export { createRawDeflate, type RawDeflate } from "./bodies/raw-deflate.js";
export { RowBatch, type BatchBounds, type BatchSlice } from "./bodies/row-batch.js";
export {
  createRowCodec,
  decodeRow,
  type EncodedRows,
  type RowCodec,
  type WeighedRows,
} from "./bodies/row-codec.js";
export {
  ENTRY_HEAD_BYTES,
  encodeSnapshot,
  readSnapshot,
  SNAPSHOT_HEADER_BYTES,
  type MapEntry,
  type SnapshotHead,
} from "./bodies/snapshot.js";
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
} from "./options/service.js";
export type { NodeId, NodePattern, ServiceKind } from "./options/service.js";
export { formatSelectionFields, parseSelectionFields, SELECTION_FIELDS } from "./frames/selection-fields.js";
export {
  fitSelection,
  grantSelection,
  isThinning,
  keyTest,
  SELECTION_BOUNDS,
  WHOLE,
  withoutLooking,
  type Selection,
} from "./options/selection.js";
export {
  assertMapKey,
  decodeMapUpdate,
  encodeMapRows,
  encodeMapUpdate,
  MAP_ROW_HEAD_BYTES,
  mapChangeBytes,
  readMapUpdate,
  weighMapEntry,
  type MapChange,
  type MapUpdate,
} from "./msgpack/map-update.js";
export { encodeUpdate } from "./msgpack/update.js";
export { formatSince, parseSince, type Since } from "./options/since.js";
export { unfitCharacter } from "./base/xml-text.js";
