import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Value } from "@stanzapack/wire";

/** Longest text that the demo sends, in characters. */
export const MAX_TEXT_CHARS = 1_000;

const DEBIAN_LICENCE = "/usr/share/common-licenses/GPL-3";

/** Rows of the npm package vega-datasets. It exports no paths, so the files are read where npm installed them. */
export function readWeather(): Record<string, Value>[] {
  return readCsv("seattle-weather.csv");
}

/** A CSV file of vega-datasets. */
export function readCsv(file: string): Record<string, Value>[] {
  return parseCsv(readFileSync(findPackageFile("vega-datasets", `data/${file}`), "utf8"));
}

/** A JSON file of vega-datasets. */
export function readJson(file: string): unknown {
  return JSON.parse(readFileSync(findPackageFile("vega-datasets", `data/${file}`), "utf8"));
}

/** Parses a header line and rows without quoted fields. Comments are left out, and numbers become numbers. */
export function parseCsv(text: string): Record<string, Value>[] {
  const [header = "", ...lines] = text
    .trim()
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"));
  const names = header.split(",");
  return lines.map((line) => {
    const fields = line.split(",");
    return Object.fromEntries(names.map((name, index) => [name, typed(fields[index] ?? "")]));
  });
}

function typed(field: string): Value {
  return field !== "" && Number.isFinite(Number(field)) ? Number(field) : field;
}

/**
 * Paragraphs of the longest licence that every Debian machine has. On other machines, of a package that is needed
 * anyway.
 */
export function readParagraphs(): string[] {
  const file = existsSync(DEBIAN_LICENCE) ? DEBIAN_LICENCE : findPackageFile("vega-datasets", "LICENSE");
  return parseParagraphs(readFileSync(file, "utf8"));
}

/** Paragraphs, each as one line, cut at `MAX_TEXT_CHARS`. */
export function parseParagraphs(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s+/g, " ").trim().slice(0, MAX_TEXT_CHARS))
    .filter((paragraph) => paragraph !== "");
}

function findPackageFile(name: string, path: string): string {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const file = folders.map((folder) => join(folder, name, path)).find((candidate) => existsSync(candidate));
  if (file === undefined) throw new Error(`${path} of the npm package ${name} is not there: run npm ci`);
  return file;
}
