/**
 * Returns a domain in A-labels (RFC 5890 §2.3.2.1): `xn--mnchen-3ya.example` for `münchen.example`. DNS, URLs,
 * certificates, TLS's server name and HTTP's Host write it so. It uses UTS 46, as Node and browsers do for hosts of
 * URLs. An ASCII domain stays as it is; an IPv6 address loses its brackets. Throws `TypeError` when the domain has no
 * such form. The domain must be prepared: then IDNA 2003 and IDNA 2008 give the same A-labels.
 */
export function toAsciiDomain(domain: string): string {
  if (/^[\0-\x7F]*$/.test(domain)) return domain.replace(/^\[(.*)\]$/, "$1");
  const url = `http://${domain}`;
  if (!URL.canParse(url)) throw new TypeError(`the domain \`${domain}\` is not possible in DNS`);
  return new URL(url).hostname;
}
