/** The colours of the style sheet as a canvas takes them. They change with the colour scheme of the system. */
const known = new Map<string, string>();
const scheme = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
scheme.addEventListener("change", () => {
  known.clear();
  for (const listener of listeners) listener();
});

/** Returns the colour of a variable of the style sheet, such as `--ours`. */
export function colour(variable: string): string {
  const found = known.get(variable);
  if (found !== undefined) return found;
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  known.set(variable, color);
  return color;
}

/** Calls `listener` when the colours have changed. Returns a function that ends that. */
export function onColours(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
