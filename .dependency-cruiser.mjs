// Cycles between files and between folders: a newcomer can read what has none from the bottom up.
/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    {
      name: "no-file-cycles",
      comment:
        "Two files that import each other, at run time, are one idea in two places, or need a third file.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-folder-cycles",
      comment: "Folders are layers: none imports, at run time, a folder that imports it.",
      scope: "folder",
      severity: "error",
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    includeOnly: "^packages/[^/]+/src",
    exclude: "\\.test\\.ts$|/src/testing/",
    // What is imported as a type alone is left out.
    tsPreCompilationDeps: false,
    tsConfig: { fileName: "tsconfig.test.json" },
  },
};
