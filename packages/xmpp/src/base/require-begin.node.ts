import { createRequire } from "node:module";

/**
 * Makes a global `require` until `require-end.node.ts` removes it. A global `require` of the program's own stays.
 *
 * The libraries `ltx` and `ws` are CommonJS and require modules of Node. A bundle of ES modules, as esbuild makes it,
 * has no `require`, so the program would end at its start. So each of our modules that imports one of them imports this
 * module first. The libraries require only Node's own modules, so the path of Node serves as the base.
 */
const holder = globalThis as { require?: NodeJS.Require };

export const isMissing = holder.require === undefined;

if (isMissing) holder.require = createRequire(process.execPath);
