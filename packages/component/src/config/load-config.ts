import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { X509Certificate } from "node:crypto";
import { StanzapackError } from "@stanzapack/wire";
import type { ComponentTlsOptions } from "@stanzapack/xmpp";
import { isAlias, isNode, LineCounter, parseDocument, visit, type Document, type YAMLParseError } from "yaml";
import type { z } from "zod";
import { configSchema, type ComponentConfig } from "./config.js";
import { applyOverrides, readOverrides, type Override } from "./environment.js";
import { describeIssue, splitIssue } from "./option-checks.js";
import { resolveStore } from "./store-location.js";

/** Stands in errors for the name of a file, where there is no file. */
const ENVIRONMENT = "environment";

/** A store in Redis, with the texts of the files that the config names. */
export type ResolvedRedisStore = Omit<
  Extract<NonNullable<ComponentConfig["store"]>, { readonly kind: "redis" }>,
  "passwordFile" | "tls"
> & {
  readonly password?: string | undefined;
  /** `ca`: the certificate of a further authority, as PEM. */
  readonly tls: boolean | { readonly ca?: string | undefined; readonly serverName?: string | undefined };
};

/**
 * A config whose secrets are read, for `createComponent`. A store of kind `lmdb` has its `path`. Without the key `store`,
 * `createComponent` keeps everything in memory.
 */
export type ResolvedConfig = Omit<ComponentConfig, "component" | "store"> & {
  readonly store?: ComponentConfig["store"] | ResolvedRedisStore;
  readonly component: {
    readonly domain: string;
    readonly host: string;
    readonly port: number;
    readonly secret: string;
    /** Default: no TLS. `true`: TLS with the authorities of the system, for the name `host`. */
    readonly tls?: boolean | ComponentTlsOptions | undefined;
    /** The file that holds the secret: the file that the config names, or the config file itself. */
    readonly secretFile?: string | undefined;
    /** Default: no domain but the one above the component's domain. */
    readonly localDomains?: readonly string[] | undefined;
  };
};

/**
 * Reads and checks the config file. Variables of the environment replace keys of the file (`readOverrides`). `file` may
 * be undefined if variables set all required keys. Paths are then relative to the working directory. Without the key
 * `store`, the store is on LMDB, in the directory that `storeLocation` returns. Throws `invalid-options` with a line
 * for each fault: file, line, key, and what to write instead.
 */
export async function loadConfig(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ResolvedConfig> {
  return resolveConfig(await readConfig(file, environment), file);
}

/** The first half of `loadConfig`: reads and checks the config file, and opens no other file. */
export async function readConfig(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ComponentConfig> {
  const overrides = readOverrides(environment);
  const text = file === undefined ? "" : await readText(file, "config file");
  return parseOverridden(text, file ?? ENVIRONMENT, overrides);
}

/** The second half of `loadConfig`: reads the files that a checked config names, and finds the store's directory. */
export async function resolveConfig(
  checked: ComponentConfig,
  file: string | undefined,
): Promise<ResolvedConfig> {
  const config = await resolveSecret(checked, file ?? ENVIRONMENT);
  // No file has the secret then.
  const { secretFile, ...component } = config.component;
  return secretFile === ENVIRONMENT ? { ...config, component } : config;
}

/** Checks the text of a config. `file` is only for errors. */
export function parseConfig(text: string, file: string): ComponentConfig {
  return parseOverridden(text, file, []);
}

/** Checks the text of a config, with keys that others replace. */
export function parseOverridden(text: string, file: string, overrides: readonly Override[]): ComponentConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const syntax = document.errors[0];
  if (syntax !== undefined) {
    throw fault([`${file}:${syntax.linePos?.[0].line ?? 1}: ${describeSyntax(syntax)}`]);
  }
  const indirect = indirections(document, lines);
  if (indirect.length > 0) throw fault(indirect.map((text) => `${file}:${text}`));
  const result = configSchema.safeParse(applyOverrides(document.toJS() ?? {}, overrides));
  if (result.success) return result.data;
  throw fault(
    result.error.issues.flatMap(splitIssue).map((issue) => {
      const { variable } = overrides.find(({ path }) => path.every((key, i) => issue.path[i] === key)) ?? {};
      if (variable !== undefined) return `${ENVIRONMENT}: ${variable}: ${issue.message}`;
      const place = text === "" ? file : `${file}:${lineOf(document, lines, issue)}`;
      return `${place}: ${describeIssue(configSchema, issue)}`;
    }),
  );
}

/**
 * Returns a syntax error in words for an operator: some of the parser's messages are for a programmer. Leaves the line
 * number out.
 */
function describeSyntax({ code, message }: YAMLParseError): string {
  if (code === "MULTIPLE_DOCS")
    return "a second YAML document begins here, but a config has one: remove the `---` or `...` between them";
  if (code === "RESOURCE_EXHAUSTION") return "it is nested too deeply";
  return (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
}

/**
 * Returns `line: text` for each anchor, alias and tag (YAML 1.2 §3.2.2, §6.8). A config needs none. But YAML reads a
 * secret that begins with `*`, `&` or `!` as one.
 */
function indirections(document: Document, lines: LineCounter): string[] {
  const found: string[] = [];
  visit(document, {
    Node(_, node) {
      const { line } = lines.linePos(node.range?.[0] ?? 0);
      if (isAlias(node)) found.push(`${line}: ${quoteIt("alias", `*${node.source}`)}`);
      else if (node.anchor !== undefined) found.push(`${line}: ${quoteIt("anchor", `&${node.anchor}`)}`);
      else if (node.tag !== undefined) found.push(`${line}: ${quoteIt("tag", node.tag)}`);
    },
  });
  return found;
}

function quoteIt(what: string, text: string): string {
  return `\`${text}\` is a YAML ${what}, which a config cannot have: write the value itself, or quote a value that begins so`;
}

function fault(lines: readonly string[]): StanzapackError {
  return new StanzapackError("invalid-options", lines.join("\n"));
}

/** Returns the line of the faulty key, or of the nearest parent that exists. */
function lineOf(document: Document, lines: LineCounter, issue: z.core.$ZodIssue): number {
  const paths: PropertyKey[][] = [];
  if (issue.code === "unrecognized_keys") for (const key of issue.keys) paths.push([...issue.path, key]);
  for (let length = issue.path.length; length >= 0; length--) paths.push(issue.path.slice(0, length));
  for (const path of paths) {
    const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

async function resolveSecret(config: ComponentConfig, file: string): Promise<ResolvedConfig> {
  const { domain, host, port, localDomains, secret, secretFile } = config.component;
  const tls = await resolveTls(config.component.tls, file);
  const path = secretFile === undefined ? file : resolve(dirname(file), secretFile);
  const text = secret ?? (await readText(path, "component.secretFile")).trim();
  if (text === "") throw fault([`${file}: component.secretFile is empty`]);
  return {
    ...config,
    dashboard: resolveDashboardFiles(config.dashboard, file),
    store: await resolveStore(config.store, file, process.env["STATE_DIRECTORY"], readText),
    component: { domain, host, port, localDomains, secret: text, secretFile: path, ...(tls && { tls }) },
  };
}

function resolveDashboardFiles(
  { tokenFile, passwordFile, ...dashboard }: ComponentConfig["dashboard"],
  file: string,
): ComponentConfig["dashboard"] {
  const locate = (path: string): string => resolve(dirname(file), path);
  return {
    ...dashboard,
    ...(tokenFile !== undefined && { tokenFile: locate(tokenFile) }),
    ...(passwordFile !== undefined && { passwordFile: locate(passwordFile) }),
  };
}

async function resolveTls(
  tls: ComponentConfig["component"]["tls"],
  file: string,
): Promise<ComponentTlsOptions | undefined> {
  if (tls === false) return undefined;
  const { caFile, serverName } = tls === true ? {} : tls;
  const named = serverName === undefined ? {} : { serverName };
  if (caFile === undefined) return named;
  const ca = await readText(resolve(dirname(file), caFile), "component.tls.caFile");
  try {
    new X509Certificate(ca);
  } catch (cause) {
    throw new StanzapackError("invalid-options", `component.tls.caFile ${caFile} holds no PEM certificate`, {
      cause,
    });
  }
  return { ...named, ca };
}

async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new StanzapackError(
      "invalid-options",
      `${what} ${file} cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
}
