import { describeExposure } from "../../base/exposed-file.js";
import { readCertificates, readPassword } from "../../base/credentials.js";
import { failure, ok, warning, type Check } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { StanzapackError } from "@stanzapack/wire";
import type { ClientState } from "./client-state.js";

/** Longest time of a check that only reads files, in ms. */
const FILE_MS = 10_000;

export const ACCOUNT_CHECKS: readonly Check<ClientState>[] = [
  {
    ...{ id: "password", side: "client", deadlineMs: FILE_MS },
    async run(state) {
      const { passwordFile } = state.target;
      try {
        state.password = await readPassword(passwordFile);
      } catch (error) {
        return failure(error instanceof StanzapackError ? error.text : String(error), FIX.password);
      }
      const exposed = await describeExposure(passwordFile);
      return exposed === undefined
        ? ok(`only its owner may read ${passwordFile}`)
        : warning(exposed, FIX.exposed);
    },
  },
  {
    ...{ id: "ca", side: "client", deadlineMs: FILE_MS },
    async run(state) {
      const { caFile } = state.target;
      if (caFile === undefined) return ok("the authorities of this program are trusted");
      try {
        state.ca = await readCertificates(caFile);
        return ok(`the authorities of ${caFile} are trusted too`);
      } catch (error) {
        return failure(error instanceof StanzapackError ? error.text : String(error), FIX.ca);
      }
    },
  },
];
