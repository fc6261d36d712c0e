import { pino, type DestinationStream, type LogFn, type Logger } from "pino";

/** Most lines of one kind that are written within `WINDOW_MS`. */
const LINES_PER_WINDOW = 20;
/**
 * Length of the window, in ms. 10 s: a reader soon sees that something repeats, and two lines a second of a kind fill
 * no disk.
 */
const WINDOW_MS = 10_000;
/**
 * Most kinds that are counted apart. Texts are few, unless a client's own text is part of them. Beyond, all lines are
 * of one kind.
 */
const MAX_KINDS = 1_000;

/** Lines of one kind, in the window that the first of them began. */
interface Kind {
  written: number;
  omitted: number;
}

/**
 * Returns the component's log: one JSON object a line on `destination`, by default stderr. Clients cause most lines of
 * the levels `info` and `warn`. So at most 20 lines of one kind are written within 10 s; then one line counts the rest
 * (`omitted`). A line's kind is its level and its text up to the first colon. Lines of other levels are all written.
 */
export function createLogger(level: string, destination: DestinationStream = toStderr()): Logger {
  const kinds = new Map<string, Kind>();
  return pino(
    {
      level,
      hooks: {
        logMethod(args, method, levelNumber) {
          const label = this.levels.labels[levelNumber];
          if (label !== "info" && label !== "warn") return method.apply(this, args);
          const text = kinds.size < MAX_KINDS ? kindOf(args) : "other lines";
          const key = `${label} ${text}`;
          let kind = kinds.get(key);
          if (kind === undefined) {
            kind = { written: 0, omitted: 0 };
            kinds.set(key, kind);
            const closeWindow = ({ omitted }: Kind): void => {
              kinds.delete(key);
              if (omitted > 0) method.call(this, { omitted }, `${text}: ${omitted} more lines were omitted`);
            };
            setTimeout(closeWindow, WINDOW_MS, kind).unref();
          }
          if (kind.written >= LINES_PER_WINDOW) {
            kind.omitted++;
            return;
          }
          kind.written++;
          method.apply(this, args);
        },
      },
    },
    destination,
  );
}

/** Returns a line's text up to the first colon. pino takes `(text)` or `(fields, text)`. */
function kindOf(args: Parameters<LogFn>): string {
  const text = args.find((arg): arg is string => typeof arg === "string") ?? "";
  const colon = text.indexOf(":");
  return colon < 0 ? text : text.slice(0, colon);
}

function toStderr(): DestinationStream {
  const destination = pino.destination({ dest: 2, sync: true });
  // The reader of stderr is gone. The component continues without its log.
  destination.on("error", () => undefined);
  return destination;
}
