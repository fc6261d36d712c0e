/** Says that a file or one of its lines cannot be used, and what to do about it. */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly code = "bad-input";

  constructor(
    /** From 1. Undefined: the whole file. */
    readonly line: number | undefined,
    readonly what: string,
    readonly mend: string,
    /** The file's name, once it is known. */
    file?: string,
    options?: ErrorOptions,
  ) {
    super(`${file ?? ""}${line === undefined ? "" : `:${line}`}: ${what}; ${mend}`, options);
  }

  in(file: string): InputError {
    return new InputError(this.line, this.what, this.mend, file, { cause: this });
  }
}
