/** Number of the weights by which a symbol is mixed. Similar symbols share weights. */
export const SET = {
  length: 0,
  moreLength: 1,
  sign: 2,
  leafClass: 3,
  newClass: 4,
  boolean: 5,
  known: 6,
  index: 7,
  hit: 8,
  upper: 9,
  lower: 10,
  same: 11,
  flag: 12,
  where: 13,
  key: 14,
} as const;
