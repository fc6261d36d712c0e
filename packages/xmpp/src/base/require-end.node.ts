import { isMissing } from "./require-begin.node.js";

if (isMissing) delete (globalThis as { require?: NodeJS.Require }).require;
