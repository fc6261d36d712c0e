import type { Client, CursorInfo } from "@stanzapack/client";

/** Longest time until a cursor is as a test expects it, in ms. */
const SOON_MS = 30_000;

/** Resolves to the account's cursor of this node that is as expected, once there is one. */
export async function untilCursor(
  client: Client,
  node: string,
  is: (cursor: CursorInfo) => boolean,
): Promise<CursorInfo> {
  const deadline = Date.now() + SOON_MS;
  for (;;) {
    const cursors = await client.cursors(node);
    const found = cursors.find(is);
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`no such cursor: ${JSON.stringify(cursors)}`);
  }
}
