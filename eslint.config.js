// Rules that a compiler cannot check: promises that nobody awaits, cases left out, and who may import whom.
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/**
 * The package boundaries: what each package may import of the others, by `import` and `export … from`. What is left
 * out is forbidden. `import()` at run time is not looked at: that is how the command reaches bench, where it exists.
 */
const MAY_IMPORT = {
  wire: [],
  xmpp: ["wire"],
  client: ["wire", "xmpp"],
  component: ["wire", "xmpp"],
  sandbox: ["wire"],
  estimate: ["wire", "xmpp"],
  testkit: ["wire", "xmpp", "client", "component", "sandbox"],
  dashboard: ["wire", "xmpp", "client", "component"],
  bench: ["wire", "xmpp", "client", "component", "sandbox", "estimate", "testkit", "dashboard"],
  cli: ["wire", "xmpp", "client", "component", "sandbox", "estimate"],
};

/** Not for code that is to run the same everywhere and in tests: time, chance and the outside are arguments there. */
const IMPURE_GLOBALS = [
  ...["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"],
  ...["queueMicrotask", "requestAnimationFrame", "performance", "crypto", "fetch", "globalThis"],
  ...["console", "process", "Buffer", "Promise"],
];

const PURE_RULES = {
  "no-restricted-globals": [
    "error",
    ...IMPURE_GLOBALS.map((name) => ({ name, message: "packages/wire is pure: take it as an argument." })),
  ],
  "no-restricted-properties": [
    "error",
    { object: "Date", property: "now", message: "packages/wire is pure: take the time as an argument." },
    { object: "Math", property: "random", message: "packages/wire is pure: take chance as an argument." },
  ],
  "no-restricted-syntax": [
    "error",
    {
      selector: "NewExpression[callee.name='Date'][arguments.length=0]",
      message: "Take the time as an argument.",
    },
    { selector: ":function[async=true]", message: "packages/wire is synchronous." },
    { selector: "AwaitExpression, ForOfStatement[await=true]", message: "packages/wire is synchronous." },
    { selector: "TSTypeReference[typeName.name='Promise']", message: "packages/wire is synchronous." },
  ],
};

/** Somebody may set the wall clock at any moment: nothing that is scheduled or measured may ask for it. */
const WALL_CLOCK =
  "Use monotonicNow, or wallNow where people are told a time (packages/xmpp/src/base/clock.ts).";
const RUNTIME_RULES = {
  "no-restricted-properties": [
    "error",
    { object: "Date", property: "now", message: WALL_CLOCK },
    { object: "performance", property: "now", message: WALL_CLOCK },
  ],
  "no-restricted-syntax": [
    "error",
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: WALL_CLOCK },
    { selector: "CallExpression[callee.name='Date']", message: WALL_CLOCK },
    {
      selector: "CallExpression[callee.property.name=/^(push|unshift)$/] > SpreadElement",
      message: "A call takes some 120,000 arguments at most: push in a loop.",
    },
  ],
};

/** @param {string} name @param {readonly string[]} allowed @param {readonly object[]} [more] */
function importRule(name, allowed, more = []) {
  const list = allowed.length === 0 ? "none of our packages" : `only ${allowed.join(", ")}`;
  const message = `packages/${name} may import ${list} (MAY_IMPORT in eslint.config.js).`;
  const patterns = [
    // The package itself, by name, would load a second copy of it.
    { group: ["@stanzapack/*", ...allowed.map((other) => `!@stanzapack/${other}`)], message },
    { regex: String.raw`^(\.\./)+[a-z-]+/(src|dist)/`, message: "Another package is imported by its name." },
    { regex: String.raw`^stanzapack(/|$)`, message },
    ...more,
  ];
  return { "no-restricted-imports": ["error", { patterns }] };
}

const NODE_GLOBALS = Object.fromEntries(
  [
    "process",
    "console",
    "URL",
    "URLSearchParams",
    "performance",
    "setTimeout",
    "clearTimeout",
    "setInterval",
    "fetch",
    "Buffer",
  ].map((name) => [name, "readonly"]),
);

const BROWSER_GLOBALS = Object.fromEntries(
  ["document", "location", "FormData", "HTMLInputElement", "clearInterval"].map((name) => [name, "readonly"]),
);

const boundaries = Object.entries(MAY_IMPORT).flatMap(([name, allowed]) => [
  {
    files: [`packages/${name}/src/**/*.ts`],
    ignores: ["**/*.test.ts"],
    rules:
      name === "wire"
        ? {
            ...importRule(name, allowed, [
              { regex: "^node:", message: "packages/wire runs in browsers too." },
            ]),
            ...PURE_RULES,
          }
        : importRule(name, allowed),
  },
  {
    files: [`packages/${name}/src/**/*.test.ts`],
    rules: importRule(name, [...new Set([...allowed, "testkit"])]),
  },
]);

export default defineConfig(
  { ignores: ["**/dist/", "**/node_modules/", "coverage/", "tmp/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-throw-literal": "error",
      "no-promise-executor-return": "off",
    },
  },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    // One program for everything, tests too, on the sources: no build is needed.
    languageOptions: {
      parserOptions: { project: "./tsconfig.test.json", tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-explicit-any": "error",
      // Where there is a default, it calls assertNever, or the rest is meant.
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // An async function without await turns a throw into a rejection, which is often the point.
      "@typescript-eslint/require-await": "off",
    },
  },
  ...boundaries,
  {
    files: ["packages/{xmpp,client,component}/src/**/*.ts"],
    ignores: ["**/*.test.ts", "**/testing/**", "packages/xmpp/src/base/clock.ts"],
    rules: RUNTIME_RULES,
  },
  {
    files: ["**/*.test.ts", "test/**/*.ts"],
    // vitest's matchers (`expect.any`) are typed `any`, and its mocks are looked at by `object.method`.
    rules: { "@typescript-eslint/unbound-method": "off", "@typescript-eslint/no-unsafe-assignment": "off" },
  },
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: { globals: NODE_GLOBALS },
    rules: {
      "no-undef": "error",
      "no-unused-vars": "error",
      "no-unreachable": "error",
      "no-dupe-keys": "error",
    },
  },
  {
    files: ["examples/browser/*.js"],
    languageOptions: { globals: BROWSER_GLOBALS },
  },
);
