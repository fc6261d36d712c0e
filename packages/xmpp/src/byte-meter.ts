/** Bytes of one connection since it was made, over all its reconnections. */
export interface ByteCount {
  /** Stream bytes after stream compression and before TLS. */
  xmpp: number;
  /** Bytes of the socket, TLS records included; no TCP/IP headers. */
  socket: number;
}

export interface ByteMeter {
  readonly received: Readonly<ByteCount>;
  readonly sent: Readonly<ByteCount>;
}
