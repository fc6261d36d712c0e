/** The block sizes, in bytes, that lanes are made for. A link takes the largest that fits its own block size. */
export const SIZE_CLASSES = [65_535, 16_383, 4_095] as const;

/** The smallest block size that a link may have, in bytes. */
export const MIN_BLOCK_BYTES = SIZE_CLASSES[SIZE_CLASSES.length - 1] as number;
