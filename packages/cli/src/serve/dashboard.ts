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
  const { tokenFile, host, port, ...addresses } = dashboard;
  const module = await loadDashboard();
  const token = tokenFile === undefined ? undefined : await readToken(tokenFile, logger);
  const settings = { component: component.domain, ...addresses };
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

async function readToken(file: string, logger: Logger): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new StanzapackError(
      "invalid-options",
      `dashboard.tokenFile ${file} cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
  const exposed = await describeExposure(file);
  if (exposed !== undefined) logger.warn({ file }, `the token is exposed: ${exposed}`);
  return text.trim();
}
