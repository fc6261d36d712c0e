import leven from "leven";
import { safeParse, type BaseIssue, type GenericSchema } from "valibot";
import { StanzapackError } from "../base/errors.js";

/** Schema of an option or an argument. The functions of `option-schemas.ts` make it. */
export type OptionSchema = GenericSchema;

/** Makes the error of a text that says what is wrong. `cause`: the error that a check threw, if one did. */
export type ToError = (text: string, cause: unknown) => Error;

/** Names of options whose values never appear in an error text. */
const SECRET = /password|secret/i;
const MAX_SHOWN_CHARS = 60;
/** Beginning of a message to which `describe` adds the refused value. */
export const MUST_BE = "must be ";

/**
 * Checks the options of one call. Returns a copy in which each option was read once and none is undefined. Throws
 * `invalid-options`, or the error that `toError` makes of the text. The text names the call (`what`) and the option,
 * and says what is allowed.
 */
export function checkOptions<T>(
  what: string,
  schema: OptionSchema,
  options: T,
  toError: ToError = invalidOptions,
): T {
  return checkAs(what, [], schema, options, toError);
}

/** As `checkOptions`, for one argument. */
export function checkArgument<T>(what: string, name: string, schema: OptionSchema, value: T): T {
  return checkAs(what, [name], schema, value, invalidOptions);
}

function checkAs<T>(
  what: string,
  prefix: readonly string[],
  schema: OptionSchema,
  value: T,
  toError: ToError,
): T {
  let issues: readonly [BaseIssue<unknown>, ...BaseIssue<unknown>[]];
  try {
    const result = safeParse(schema, value);
    if (result.success) return result.output as T;
    issues = result.issues;
  } catch (cause) {
    // A getter or a proxy threw.
    throw toError(`${what}: ${subjectOf(prefix)} cannot be read`, cause);
  }
  // An unknown name tells the reader more than the missing option that it probably means.
  const issue = issues.find(isUnknownName) ?? issues[0];
  // In a union, a fault inside one of the shapes tells more than the fault of the whole.
  const inner = issue.issues?.find(({ type, path }) => path !== undefined && type !== "strict_object");
  const steps = [...(issue.path ?? []), ...(inner?.path ?? [])];
  const path = [...prefix, ...steps.map(({ key }) => String(key))];
  throw toError(`${what}: ${subjectOf(path)} ${describe(inner ?? issue, path)}`, undefined);
}

function subjectOf(path: readonly string[]): string {
  return path.length === 0 ? "the argument" : `\`${path.join(".").slice(0, MAX_SHOWN_CHARS)}\``;
}

function describe(issue: BaseIssue<unknown>, path: readonly string[]): string {
  const { message, input, received } = issue;
  if (!message.startsWith(MUST_BE)) return message;
  if (input === undefined) return `is missing: it ${message}`;
  if (path.some((name) => SECRET.test(name))) return message;
  // Quoted as in JSON: a line break in the value does not break the line of the message.
  const shown = typeof input === "string" ? JSON.stringify(input.slice(0, MAX_SHOWN_CHARS)) : received;
  return `${message}, not ${shown.slice(0, MAX_SHOWN_CHARS)}`;
}

function isUnknownName({ type, expected }: BaseIssue<unknown>): boolean {
  return type === "strict_object" && expected === "never";
}

function invalidOptions(text: string, cause: unknown): StanzapackError {
  return new StanzapackError("invalid-options", text, cause === undefined ? {} : { cause });
}

/**
 * Returns the text for an option name that does not exist. The text suggests the name that was probably meant, or lists
 * all `names`.
 */
export function describeUnknownName(name: string, names: readonly string[]): string {
  const given = name.toLowerCase();
  let nearest: string | undefined;
  let least = 2 + Math.floor(given.length / 4);
  for (const candidate of names) {
    const lower = candidate.toLowerCase();
    // The beginning of a name, such as `window` of `windowMs`, is always near.
    const isBeginning = given.length > 2 && lower.startsWith(given);
    const distance = isBeginning ? 1 : leven(given, lower, { maxDistance: least });
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  const hint = nearest === undefined ? `there are ${names.join(", ")}` : `did you mean \`${nearest}\`?`;
  return `is not an option; ${hint}`;
}
