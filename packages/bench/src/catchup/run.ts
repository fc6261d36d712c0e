import { DemoError } from "../demo/failure.js";
import { Readings } from "./data.js";
import { createJsonCopy } from "./json-copy.js";
import { measureLive } from "./live-changes.js";
import { createPouchDbCopy } from "./pouchdb-copy.js";
import { FORMS, type CatchUpForm, type CatchUpRow, type Copy, type LiveForm } from "./rows.js";
import { createRsyncCopy } from "./rsync-copy.js";
import { createSdkCopy } from "./sdk-copy.js";

export interface CatchUpOptions {
  /** Default: all. */
  readonly forms?: readonly CatchUpForm[];
  /** Keys of the map. Default 100,000. */
  readonly keys?: number;
  /** Folder whose `node_modules` has PouchDB. Default: this package's. */
  readonly modules?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
  /** A form cannot be measured, and why. Its rows have null. */
  readonly onNotice?: (text: string) => void;
}

/** The whole map, then these parts of it after another. */
const STEPS = [1, 0.001, 0.01, 0.1] as const;

/** Measures how many bytes a copy of a map needs to catch up, in each form, with the same changes. */
export async function runCatchUp(options: CatchUpOptions = {}): Promise<CatchUpRow[]> {
  const { forms = FORMS, keys = 100_000, modules = import.meta.dirname, onProgress, onNotice } = options;
  const signal = options.signal ?? new AbortController().signal;
  const rows: CatchUpRow[] = [];
  for (const form of forms) {
    if (isLive(form)) {
      onProgress?.(`${form}: beginning`);
      rows.push(...measureLive(form, signal));
      continue;
    }
    // The same seed: each form has the same map and the same changes.
    const readings = new Readings(keys);
    onProgress?.(`${form}: beginning`);
    let copy: Copy;
    try {
      copy = await create(form, readings, modules, signal);
    } catch (error) {
      if (!(error instanceof DemoError) || error.code !== "unsupported") throw error;
      onNotice?.(`${form} is not measured: ${error.message}`);
      rows.push(...STEPS.map((changed) => ({ form, keys, changed, bytes: null, ms: null })));
      continue;
    }
    try {
      for (const changed of STEPS) {
        signal.throwIfAborted();
        onProgress?.(`${form}: ${changed === 1 ? "the whole map" : `${changed * 100} % of the keys`}`);
        const { bytes, ms } = await copy.catchUp(changed === 1 ? readings.map : readings.change(changed));
        rows.push({ form, keys, changed, bytes, ms: Math.round(ms) });
      }
    } finally {
      await copy.close();
    }
  }
  return rows;
}

function isLive(form: CatchUpForm): form is LiveForm {
  return form === "live" || form === "services";
}

function create(
  form: Exclude<CatchUpForm, LiveForm>,
  readings: Readings,
  modules: string,
  signal: AbortSignal,
): Promise<Copy> | Copy {
  switch (form) {
    case "stanzapack":
      return createSdkCopy(signal);
    case "json":
      return createJsonCopy();
    case "pouchdb":
      return createPouchDbCopy(modules, signal);
    case "rsync":
      return createRsyncCopy(readings, signal);
  }
}
