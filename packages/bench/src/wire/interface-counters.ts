import { readFileSync } from "node:fs";

/** Bytes received and sent on one network interface since it was made: IP packets, without their Ethernet headers. */
export interface InterfaceCount {
  readonly down: number;
  readonly up: number;
}

/** Destination, source, type. The kernel counts this header, although no cable carries it here. */
const ETHERNET_HEADER_BYTES = 14;

/** Parses `/proc/net/dev`, which shows a process the interfaces of its own network namespace. Exported for its test. */
export function parseInterfaceCount(text: string, name: string): InterfaceCount | undefined {
  const line = text.split("\n").find((candidate) => candidate.trimStart().startsWith(`${name}:`));
  if (line === undefined) return undefined;
  const fields = line
    .slice(line.indexOf(":") + 1)
    .trim()
    .split(/\s+/)
    .map(Number);
  const [rxBytes = NaN, rxPackets = NaN] = fields;
  const [txBytes = NaN, txPackets = NaN] = fields.slice(8);
  return {
    down: rxBytes - ETHERNET_HEADER_BYTES * rxPackets,
    up: txBytes - ETHERNET_HEADER_BYTES * txPackets,
  };
}

export function readInterfaceCount(name: string): InterfaceCount | undefined {
  return parseInterfaceCount(readFileSync("/proc/self/net/dev", "utf8"), name);
}
