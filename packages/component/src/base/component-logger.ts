import { pino, type DestinationStream, type LogFn, type Logger } from "pino";

/** Most lines of one kind that are written within `WINDOW_MS`. */
const LINES_PER_WINDOW = 20;
/** 10 s, in ms: a reader sees at once that something repeats, and two lines a second of a kind fill no disk. */
const WINDOW_MS = 10_000;
/** Kinds counted apart: texts are few, unless something of a client's stands in them. The others are one kind. */
const MAX_KINDS = 1_000;

/** Lines of one kind in the window that began with the first of them. */
interface Kind {
  written: number;
  omitted: number;
}

/**
 * The component's log: one JSON object a line on `destination`, default stderr. Clients cause most lines of the levels `info` and
 * `warn`, so of each kind at most 20 are written within 10 s; then one line counts the rest (`omitted`). A line's kind is its
 * text up to the first colon. Other levels are written whole.
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

/** pino takes `(text)` and `(fields, text)`. */
function kindOf(args: Parameters<LogFn>): string {
  const text = args.find((arg): arg is string => typeof arg === "string") ?? "";
  const colon = text.indexOf(":");
  return colon < 0 ? text : text.slice(0, colon);
}

function toStderr(): DestinationStream {
  const destination = pino.destination({ dest: 2, sync: true });
  // Whoever read the log is gone: the component goes on.
  destination.on("error", () => undefined);
  return destination;
}
