/**
 * A domain as DNS, URLs, certificates, TLS's server name and HTTP's Host write it: in A-labels (RFC 5890 §2.3.2.1), by UTS 46, as
 * Node and browsers alike turn hosts of URLs. `münchen.example` is `xn--mnchen-3ya.example`; what is ASCII already stays.
 * Of a prepared domain, so that both generations of IDNA agree; an IPv6 address comes without its brackets.
 * Throws `TypeError` for what has no such form.
 */
export function toAsciiDomain(domain: string): string {
  if (/^[\0-\x7F]*$/.test(domain)) return domain.replace(/^\[(.*)\]$/, "$1");
  const url = `http://${domain}`;
  if (!URL.canParse(url)) throw new TypeError(`the domain \`${domain}\` has no form for DNS`);
  return new URL(url).hostname;
}
