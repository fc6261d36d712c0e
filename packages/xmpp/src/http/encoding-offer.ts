/** One answer, from which the offer learns whether compression saves bytes. */
export interface OfferOutcome {
  readonly asked: boolean;
  readonly compressed: boolean;
  /** Bytes of the body as received. */
  readonly sentBytes: number;
  /** Bytes of the body's text. */
  readonly textBytes: number;
}

/** Bytes that compression adds to heads. */
export interface OfferCosts {
  /** Added to each request that asks. */
  readonly requestBytes: number;
  /** Added to the head of each compressed answer. */
  readonly answerBytes: number;
}

/** Whether the next request should say `Accept-Encoding: gzip`. */
export interface EncodingOffer {
  isWorthIt(): boolean;
  onAnswer(outcome: OfferOutcome): void;
}

/**
 * Answers after which the offer knows whether the server compresses at all. A login takes five or six. Its longest
 * answer, the stream features, is among the first.
 */
const TRIAL_ANSWERS = 6;

/** Weight of each answer in the average. So mainly the last sixteen answers decide. */
const WEIGHT = 1 / 16;

/**
 * An answer with one small stanza does not get smaller by compression, and HTTP/1.1 repeats the header in each request.
 * So a client that receives only such answers stops asking. It begins again when the answers grow.
 */
export function createEncodingOffer({ requestBytes, answerBytes }: OfferCosts): EncodingOffer {
  let answers = 0;
  /** Shortest text that the server compressed, in bytes. */
  let shortest = Infinity;
  /** Average part of a text that compression saved. It estimates the saving for a text that was not compressed. */
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
