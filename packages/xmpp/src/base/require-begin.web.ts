/** Browsers have neither `require` nor the libraries that call it. */
export const isMissing = false;
