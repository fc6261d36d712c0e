/** The part before the resource. Only for prepared JIDs, as servers send them: no parsing. */
export function bareJid(full: string): string {
  const slash = full.indexOf("/");
  return slash < 0 ? full : full.slice(0, slash);
}
