// Settings of `npm run docs:api`: the API reference of the packages that programs import.
import { OptionDefaults } from "typedoc";

/** Without `cli`: its users run a command. */
const PACKAGES = ["client", "component", "estimate", "sandbox", "wire", "xmpp"];

export default {
  name: "Stanzapack",
  entryPointStrategy: "packages",
  entryPoints: PACKAGES.map((name) => `packages/${name}`),
  // The READMEs link to these pages. A link to another Markdown file would show the file's source.
  projectDocuments: [
    "docs/*.md",
    "docs/{start,guides,reference,background}/*.md",
    "{CHANGELOG,CONTRIBUTING,SECURITY}.md",
    "{docker,examples/browser,packages/cli}/README.md",
    "packages/bench/*.md",
  ],
  // Packages stand before documents: the first on pages, the second in the navigation.
  groupOrder: ["Modules", "Documents"],
  kindSortOrder: ["Module", "Document"],
  treatWarningsAsErrors: true,
  validation: { invalidLink: true },
  highlightLanguages: [...OptionDefaults.highlightLanguages, "lua", "xml"],
  markdownItLoader: (parser) => parser.core.ruler.push("text_of_headings", writeCodeOfHeadingsAsText),
  packageOptions: {
    excludeInternal: true,
    validation: { notExported: true },
    // The set-up compiles the packages first, and stops at an error.
    skipErrorChecking: true,
    // The same for each clone, whatever its remotes are.
    sourceLinkTemplate: "https://github.com/stanzapack/stanzapack/blob/{gitRevision}/{path}#L{line}",
  },
};

/** typedoc leaves code out of a heading's anchor, and GitHub does not. Links have the anchors of GitHub. */
function writeCodeOfHeadingsAsText({ tokens }) {
  for (const [index, { type }] of tokens.entries()) {
    if (type !== "heading_open") continue;
    for (const child of tokens[index + 1].children) if (child.type === "code_inline") child.type = "text";
  }
}
