/** Which weights a symbol is mixed by: what is alike shares them. */
export const SET = {
  length: 0,
  sign: 1,
  lead: 2,
  leafClass: 3,
  newClass: 4,
  boolean: 5,
  known: 6,
  index: 7,
  literal: 8,
  hit: 9,
} as const;
