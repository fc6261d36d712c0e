import { monotonicNow } from "@stanzapack/xmpp";
import type { Frame } from "@stanzapack/wire";
import { processorMs } from "../base/processor-time.js";

/**
 * Time that the component spends at once, after a pause, on what one account publishes, in ms. 50: half of a usual
 * window.
 */
const BURST_MS = 50;
/**
 * Share of the time that an account may use on average, without ever waiting. 0.05: a usual publisher takes a
 * thousandth.
 */
const SHARE = 0.05;
/** Time for which the component reads waiting blocks before new blocks have their turn, in ms. */
const QUANTUM_MS = 5;
/**
 * Share of the time that waiting blocks get if their steps take longer than that. 0.2: long steps are seldom enough to
 * delay few blocks of others.
 */
const COARSE_SHARE = 0.2;
/**
 * Most blocks, and most bytes, of one link that may wait. Beyond, the link ends. An honest publisher has at most 100
 * blocks unacknowledged.
 */
const MAX_BLOCKS = 256;
const MAX_BYTES = 8_388_608;
/**
 * Most bytes of all links of one account that may wait, in memory that all accounts share. 64 MiB: eight full links.
 */
const MAX_ACCOUNT_BYTES = 67_108_864;

/** A block that arrived. `label`: the label of a lean stanza with one chained body alone, otherwise undefined. */
export interface InboxBlock {
  readonly bytes: Uint8Array;
  readonly label: number | undefined;
}

/** The data that a link has sent and the component has not read yet. */
export interface Inbox {
  /** Frames of the block that is being read. */
  readonly frames: Frame[];
  readonly blocks: InboxBlock[];
  /** Bytes of the blocks that wait. `blockBytes`: bytes of the block that is being read. */
  bytes: number;
  blockBytes: number;
  /** The part of `bytes` that the account has counted. */
  counted: number;
}

export function createInbox(): Inbox {
  return { frames: [], blocks: [], bytes: 0, blockBytes: 0, counted: 0 };
}

interface Sender {
  readonly bareJid: string;
  readonly inbox: Inbox;
}

interface Account {
  /** Time that the account may still use, in ms. Below zero: it has used more. */
  leftMs: number;
  at: number;
  /** Bytes that wait, of all its links. */
  bytes: number;
}

/**
 * Decides whose frames are read when. A few bytes may hold many updates, so a bound of bytes bounds no time. Each
 * account has a share of the component's time, for reading what it publishes and for encoding that for subscribers.
 * Blocks beyond the share wait, unacknowledged. The component reads them in turn when there is nothing new, a few ms at
 * a time. It reads the blocks of all others as they arrive. After steps that take long, there is a pause.
 */
export class Intake<L extends Sender> {
  private readonly accounts = new Map<string, Account>();
  /** Links with something to read, in turn. */
  private readonly waiting = new Set<L>();
  private timer: NodeJS.Timeout | undefined;
  /** Time that accounts beyond their share took in long steps since the last turn was booked, in ms. */
  private coarseMs = 0;
  /** The processor time of this process, as it was read last, in ms. */
  private workedMs: number;

  constructor(
    /** Reads the next frame of a link's inbox. If there is none, reads the next block. */
    private readonly readNext: (link: L) => void,
    private readonly now: () => number = monotonicNow,
    /** Processor time that this process has used, in ms. */
    private readonly workMs: () => number = processorMs,
  ) {
    this.workedMs = workMs();
  }

  /**
   * Takes a block that arrived on a link. `label`: as the link's bytestream gave it. `isFirst`: the block holds the
   * link's HELLO, which is read at once, whatever the account has used. Returns false when too much of the link, or of
   * its account, waits to be read.
   */
  put(link: L, block: Uint8Array, label?: number, isFirst = false): boolean {
    const { inbox } = link;
    if (inbox.blocks.length >= MAX_BLOCKS || inbox.bytes + block.length > MAX_BYTES) return false;
    if (this.account(link.bareJid).bytes + block.length > MAX_ACCOUNT_BYTES) return false;
    inbox.blocks.push({ bytes: block, label });
    inbox.bytes += block.length;
    this.count(link);
    // A request that follows by iq does not wait here. It must not be answered as if the link had sent no HELLO.
    if (isFirst) this.step(link);
    if (!this.waiting.has(link)) this.read(link);
    return true;
  }

  /**
   * Charges the publisher for encoding a batch for a lane, in ms. Short times are not charged, however many lanes there
   * are.
   */
  charge(bareJid: string, ms: number): void {
    if (ms > QUANTUM_MS) this.spend(this.account(bareJid), ms);
  }

  private spend(account: Account, elapsedMs: number): void {
    const ms = this.worked(elapsedMs);
    account.leftMs -= ms;
    if (account.leftMs < 0 && ms > QUANTUM_MS) this.coarseMs += ms;
  }

  /**
   * Returns how much of a step's time this process can have worked. Another process may have had the processor
   * meanwhile, and no account pays for that. The processor time is read for long steps alone, and once a second.
   */
  private worked(elapsedMs: number): number {
    return elapsedMs <= QUANTUM_MS ? elapsedMs : Math.min(elapsedMs, this.readWork());
  }

  /** Returns the processor time since the last call, in ms. */
  private readWork(): number {
    const before = this.workedMs;
    this.workedMs = this.workMs();
    return this.workedMs - before;
  }

  /** The link has ended. Its waiting blocks are never read. */
  forget(link: L): void {
    this.waiting.delete(link);
    link.inbox.frames.length = link.inbox.blocks.length = link.inbox.bytes = 0;
    this.count(link);
  }

  /** Once a second: forgets accounts that have all of their share and nothing that waits. */
  sweep(): void {
    this.readWork();
    for (const bareJid of this.accounts.keys())
      if (this.account(bareJid).leftMs >= BURST_MS && this.account(bareJid).bytes === 0)
        this.accounts.delete(bareJid);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.waiting.clear();
  }

  /** Reads as much as the account's share allows. The rest waits. */
  private read(link: L): void {
    while (hasMore(link.inbox)) {
      if (this.account(link.bareJid).leftMs <= 0) {
        this.waiting.add(link);
        this.book();
        return;
      }
      this.step(link);
    }
  }

  private step(link: L): void {
    const before = this.now();
    this.readNext(link);
    if (!hasMore(link.inbox)) release(link.inbox);
    this.count(link);
    this.spend(this.account(link.bareJid), this.now() - before);
  }

  private count({ bareJid, inbox }: L): void {
    if (inbox.bytes === inbox.counted) return;
    this.account(bareJid).bytes += inbox.bytes - inbox.counted;
    inbox.counted = inbox.bytes;
  }

  private account(bareJid: string): Account {
    const now = this.now();
    let account = this.accounts.get(bareJid);
    if (account === undefined)
      this.accounts.set(bareJid, (account = { leftMs: BURST_MS, at: now, bytes: 0 }));
    account.leftMs = Math.min(BURST_MS, account.leftMs + (now - account.at) * SHARE);
    account.at = now;
    return account;
  }

  private book(): void {
    if (this.timer !== undefined || this.waiting.size === 0) return;
    const pauseMs = this.coarseMs * (1 / COARSE_SHARE - 1);
    this.coarseMs = 0;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      // Encoding what was read last may have taken long. Then there is another pause before the turn.
      if (this.coarseMs === 0) this.turn();
      this.book();
    }, Math.ceil(pauseMs));
  }

  private turn(): void {
    const end = this.now() + QUANTUM_MS;
    for (const link of this.waiting) {
      // The link moves to the end of the row.
      this.waiting.delete(link);
      if (hasMore(link.inbox)) this.step(link);
      if (hasMore(link.inbox)) this.waiting.add(link);
      if (this.now() >= end) return;
    }
  }
}

/** Gives back the memory of an empty inbox: an array that `shift` has emptied keeps its memory. */
function release({ frames, blocks }: Inbox): void {
  frames.length = blocks.length = 0;
}

export function hasMore({ frames, blocks }: Inbox): boolean {
  return frames.length > 0 || blocks.length > 0;
}
