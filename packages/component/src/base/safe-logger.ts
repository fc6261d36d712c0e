import { rethrow } from "@stanzapack/xmpp";
import type { Logger } from "pino";

const METHODS: ReadonlySet<PropertyKey> = new Set(["trace", "debug", "info", "warn", "error", "fatal"]);

type LogMethod = (...args: readonly unknown[]) => unknown;

/**
 * Returns the same logger with methods that never throw, because logging happens in the middle of other work. An
 * exception of the logger becomes an uncaught exception of the program.
 */
export function safeLogger(logger: Logger): Logger {
  const safe = new WeakMap<LogMethod, LogMethod>();
  return new Proxy(logger, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = value as LogMethod;
      if (name === "child") return (...args: unknown[]) => safeLogger(method.apply(target, args) as Logger);
      if (!METHODS.has(name)) return value;
      const known = safe.get(method);
      if (known !== undefined) return known;
      const guard: LogMethod = (...args) => {
        try {
          return method.apply(target, [...args]);
        } catch (error) {
          return rethrow(error);
        }
      };
      safe.set(method, guard);
      return guard;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}
