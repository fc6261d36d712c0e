import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Value } from "@stanzapack/wire";

/** Longest text that the demo sends, in characters. */
export const MAX_TEXT_CHARS = 1_000;

const DEBIAN_LICENCE = "/usr/share/common-licenses/GPL-3";

/** Rows of the npm package vega-datasets; it exports no paths, so they are read where npm put them. */
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

/** Header line, then rows without quoted fields, comments left out; what is a number becomes one. */
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

/** Paragraphs of the longest licence that Debian keeps on every machine; elsewhere those of a package that we need anyway. */
export function readParagraphs(): string[] {
  const file = existsSync(DEBIAN_LICENCE) ? DEBIAN_LICENCE : findPackageFile("vega-datasets", "LICENSE");
  return parseParagraphs(readFileSync(file, "utf8"));
}

/** Paragraphs on one line each, cut at `MAX_TEXT_CHARS`. */
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
