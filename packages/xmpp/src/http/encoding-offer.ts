/** What an answer was, for judging whether compression is worth asking for. */
export interface OfferOutcome {
  readonly asked: boolean;
  readonly compressed: boolean;
  /** Of the body as it came, and of its text. */
  readonly sentBytes: number;
  readonly textBytes: number;
}

/** What compression takes besides, in bytes. */
export interface OfferCosts {
  /** Of each request that asks. */
  readonly requestBytes: number;
  /** Of each answer that comes compressed: its head says more. */
  readonly answerBytes: number;
}

/** Whether the next request should say `Accept-Encoding: gzip`. */
export interface EncodingOffer {
  isWorthIt(): boolean;
  onAnswer(outcome: OfferOutcome): void;
}

/**
 * So many answers decide whether anybody compresses at all: a login takes five or six, and the longest of its answers,
 * the stream features, come among the first.
 */
const TRIAL_ANSWERS = 6;

/** Each answer's part in the average: the last sixteen decide. */
const WEIGHT = 1 / 16;

/**
 * An answer that holds one small stanza does not get smaller, and HTTP/1.1 repeats the question in each request: whoever
 * only gets such answers stops asking, and begins again when they grow.
 */
export function createEncodingOffer({ requestBytes, answerBytes }: OfferCosts): EncodingOffer {
  let answers = 0;
  /** Shortest text that came compressed, and how much less they were: what a longer one would have saved is guessed by it. */
  let shortest = Infinity;
  let share = 0;
  let average = 0;

  const savedBy = ({ asked, compressed, sentBytes, textBytes }: OfferOutcome): number => {
    if (compressed) return textBytes - sentBytes - answerBytes;
    return asked || textBytes < shortest ? 0 : share * textBytes - answerBytes;
  };

  return {
    isWorthIt: () => answers < TRIAL_ANSWERS || (shortest < Infinity && average > requestBytes),
    onAnswer(outcome) {
      const { compressed, sentBytes, textBytes } = outcome;
      answers++;
      if (compressed) {
        const own = 1 - sentBytes / Math.max(1, textBytes);
        share = shortest === Infinity ? own : share + (own - share) * WEIGHT;
        shortest = Math.min(shortest, textBytes);
      }
      average += (savedBy(outcome) - average) * Math.max(WEIGHT, 1 / answers);
    },
  };
}
