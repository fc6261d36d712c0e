/** Which weights a symbol is mixed by: what is alike shares them. */
export const SET = {
  length: 0,
  sign: 1,
  leafClass: 2,
  newClass: 3,
  boolean: 4,
  known: 5,
  index: 6,
} as const;
