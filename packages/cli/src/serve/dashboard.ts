import { readFile } from "node:fs/promises";
import type { ResolvedConfig } from "@stanzapack/component";
import { StanzapackError } from "@stanzapack/wire";
import type { Logger } from "pino";
import { describeExposure } from "../base/exposed-file.js";
import { loadDashboard, type Dashboard } from "./dashboard-module.js";

/** Serves the dashboard of a component with this config. Rejects if strangers could read the page, and if it cannot. */
export async function startDashboard(
  { component, admins, dashboard }: ResolvedConfig,
  logger: Logger,
): Promise<Dashboard> {
  const { tokenFile, host, port, jid, passwordFile, ...addresses } = dashboard;
  const module = await loadDashboard();
  const token = await readSecret("dashboard.tokenFile", tokenFile, logger);
  const password = await readSecret("dashboard.passwordFile", passwordFile, logger);
  const account = jid !== undefined && password !== undefined && { jid, password };
  const settings = { component: component.domain, ...addresses, ...(account && { account }) };
  const served = await module.createDashboard({ host, port, token, settings });
  logger.info(
    { url: served.url },
    token === undefined
      ? "the dashboard is served"
      : "the dashboard is served: open it once as `/?token=…`, with the token of its file",
  );
  if (admins.length === 0)
    logger.warn("nobody can log in to the dashboard: name an account in `admins` of the config");
  return served;
}

/** Returns the content of the file that the config's key names, without white space around it. */
async function readSecret(
  key: string,
  file: string | undefined,
  logger: Logger,
): Promise<string | undefined> {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new StanzapackError(
      "invalid-options",
      `${key} ${file} cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
  const exposed = await describeExposure(file);
  if (exposed !== undefined) logger.warn({ file }, `the secret of ${key} is exposed: ${exposed}`);
  return text.trim();
}
