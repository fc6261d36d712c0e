export const SORTS = ["bytes", "updates", "subscribers", "age", "name"] as const;
/** Order of the services in a view. */
export type Sort = (typeof SORTS)[number];
