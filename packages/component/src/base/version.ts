/** Version of this package, told to who asks (XEP-0092). A constant: a bundle has no package.json. */
export const VERSION = "0.1.0";
