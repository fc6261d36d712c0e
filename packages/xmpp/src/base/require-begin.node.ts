import { createRequire } from "node:module";

/**
 * Libraries below us (`ltx`, `ws`) are CommonJS and require modules of Node's. In a bundle of ES modules, as esbuild makes it, there is
 * no `require`, and the program would end at its start. So every module of ours that imports one of them imports this first, and there is
 * a global `require` until `require-end.node.ts` takes it away. One that is global already stays. Resolved from Node's own path: only modules of Node's are asked for.
 */
const holder = globalThis as { require?: NodeJS.Require };

export const isMissing = holder.require === undefined;

if (isMissing) holder.require = createRequire(process.execPath);
