/** Attributes of an element. An undefined one is left out. */
type Attributes = Readonly<Record<string, string | undefined>>;

/** Makes an element. A child that is a text becomes text, and never markup: values come from strangers. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Returns the element of the page with this id. Throws if there is none, or if it has another tag. */
export function find<K extends keyof HTMLElementTagNameMap>(id: string, tag: K): HTMLElementTagNameMap[K] {
  const element = document.getElementById(id);
  if (element?.localName !== tag) throw new Error(`the page has no <${tag} id="${id}">`);
  return element as HTMLElementTagNameMap[K];
}

/** Sets a text if it differs, so that a browser does no work for what stays. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
