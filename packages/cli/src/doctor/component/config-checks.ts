import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { readConfig, resolveConfig } from "@stanzapack/component";
import { StanzapackError } from "@stanzapack/wire";
import { describeExposure } from "../../base/exposed-file.js";
import { failure, ok, warning, type Check } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { configOf, type ComponentState } from "./component-state.js";

/** Longest time of a check that only reads files, in ms. A network file system may be slow. */
const FILE_MS = 10_000;

export const CONFIG_CHECKS: readonly Check<ComponentState>[] = [
  {
    ...{ id: "config", side: "component", deadlineMs: FILE_MS },
    async run(state) {
      try {
        state.config = await readConfig(state.file);
      } catch (error) {
        const text = error instanceof StanzapackError ? error.text : String(error);
        return failure(text.split("\n").join("; "), FIX.config);
      }
      return ok(`${state.file ?? "the environment"} is valid`);
    },
  },
  {
    ...{ id: "secret", side: "component", deadlineMs: FILE_MS, needs: ["config"] },
    async run(state) {
      const config = configOf(state);
      const { secretFile } = config.component;
      const path =
        secretFile === undefined ? state.file : resolve(dirname(state.file ?? "environment"), secretFile);
      try {
        if (path !== undefined) await readFile(path);
        state.resolved = await resolveConfig(config, state.file);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (error instanceof StanzapackError) return failure(error.text, FIX.config);
        return failure(`${path ?? "the secret"} cannot be read (${code ?? message})`, FIX.secretUnreadable);
      }
      const exposed = path === undefined ? undefined : await describeExposure(path);
      if (exposed !== undefined) return warning(exposed, FIX.exposed);
      return ok(path === undefined ? "a variable holds the secret" : `only its owner may read ${path}`);
    },
  },
];
