/** Version of this package, for those who ask (XEP-0092). It is a constant because a bundle has no package.json. */
export const VERSION = "0.1.0";
