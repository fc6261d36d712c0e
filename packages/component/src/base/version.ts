/**
 * Version of this package, which clients may ask for (XEP-0092). It is a constant because a bundle has no package.json.
 */
export const VERSION = "0.1.0";
