// Draws the chart as SVG with Vega-Lite and Vega, which need neither a browser nor a canvas.
import { parse, View } from "vega";
import { compile } from "vega-lite";
import { COMPRESSIONS, FORMS, WINDOWS_MS, WORKLOADS } from "./rows.mjs";

/** GitHub's backgrounds. Text has a contrast of at least 7 : 1. The order tells the forms apart without colour too. */
export const THEMES = {
  light: {
    background: "#ffffff",
    text: "#1f2328",
    grid: "#d1d9e0",
    forms: ["#8c959f", "#0969da", "#bc4c00"],
  },
  dark: { background: "#0d1117", text: "#e6edf3", grid: "#3d444d", forms: ["#9198a1", "#58a6ff", "#f0883e"] },
};

const WORKLOAD_NAMES = {
  int: "one integer",
  obj: "five-field object",
  seattle: "weather record",
};
const FORM_NAMES = {
  "json-body": "JSON, a message for each value",
  "json-batch": "JSON, the same batches",
  stanzapack: "Stanzapack",
};
const COMPRESSION_NAMES = { none: "plain stream", zlib: "compressed stream (zlib)" };
const WINDOW_NAMES = {
  100: "1 update per stanza (window 100 ms)",
  1000: "10 updates per stanza (window 1 s)",
};

const FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif";
const FONT_PX = 14;
const PANEL = { width: 340, barPx: 15, maxBytes: 400 };

const names = (keys, all) => keys.map((key) => all[key]);

/**
 * @param {readonly import("./rows.mjs").Row[]} rows
 * @param {keyof typeof THEMES} theme
 * @returns {import("vega-lite").TopLevelSpec}
 */
function createSpec(rows, theme) {
  const { background, text, grid, forms } = THEMES[theme];
  const values = rows.map(({ compression, windowMs, workload, form, bytesPerUpdate }) => ({
    compression: COMPRESSION_NAMES[compression],
    window: WINDOW_NAMES[windowMs],
    workload: WORKLOAD_NAMES[workload],
    form: FORM_NAMES[form],
    bytes: bytesPerUpdate,
  }));
  const y = { field: "workload", type: "nominal", sort: names(WORKLOADS, WORKLOAD_NAMES), title: null };
  const yOffset = { field: "form", type: "nominal", sort: names(FORMS, FORM_NAMES) };
  const x = {
    field: "bytes",
    type: "quantitative",
    title: "bytes per update",
    scale: { domain: [0, PANEL.maxBytes], nice: false },
    axis: { values: [0, 100, 200, 300], format: "d" },
  };
  const heading = { title: null, labelFontSize: FONT_PX, labelFontWeight: "bold", labelColor: text };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "Bytes per update, both directions, acknowledgements included",
      subtitle: "Prosody over TCP, in TLS records; measured by `stanzapack bench wire`. Shorter is better.",
      anchor: "start",
      offset: 14,
    },
    background,
    padding: 16,
    data: { values },
    facet: {
      row: {
        field: "compression",
        type: "nominal",
        sort: names(COMPRESSIONS, COMPRESSION_NAMES),
        header: { ...heading, labelOrient: "left" },
      },
      column: {
        field: "window",
        type: "nominal",
        sort: names(WINDOWS_MS, WINDOW_NAMES),
        header: { ...heading, labelOrient: "top" },
      },
    },
    spec: {
      width: PANEL.width,
      height: { step: PANEL.barPx, for: "offset" },
      layer: [
        {
          mark: { type: "bar" },
          encoding: {
            y,
            yOffset,
            x,
            color: {
              field: "form",
              type: "nominal",
              title: null,
              scale: { domain: names(FORMS, FORM_NAMES), range: forms },
              legend: {
                orient: "top",
                direction: "horizontal",
                symbolType: "square",
                labelLimit: 0,
                gridAlign: "each",
                columnPadding: 12,
              },
            },
          },
        },
        {
          mark: { type: "text", align: "left", baseline: "middle", dx: 4, fontSize: 13, color: text },
          encoding: { y, yOffset, x, text: { field: "bytes", type: "quantitative", format: ".3~r" } },
        },
      ],
    },
    config: {
      font: FONT,
      title: { color: text, subtitleColor: text, fontSize: 17, subtitleFontSize: 13, subtitlePadding: 6 },
      axis: {
        labelColor: text,
        titleColor: text,
        labelFontSize: FONT_PX,
        titleFontSize: FONT_PX,
        titleFontWeight: "normal",
        domainColor: grid,
        tickColor: grid,
        gridColor: grid,
        labelLimit: 0,
      },
      axisY: { ticks: false, domain: false },
      legend: { labelColor: text, labelFontSize: FONT_PX, symbolSize: 160 },
      view: { stroke: null },
      scale: { bandPaddingInner: 0.25 },
    },
  };
}

/** @returns {Promise<string>} */
export async function drawChart(rows, theme) {
  const { spec } = compile(createSpec(rows, theme));
  return `${await new View(parse(spec), { renderer: "none" }).toSVG()}\n`;
}
