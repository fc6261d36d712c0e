import { StanzaError, type StanzaErrorType } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import { fitForXml } from "../xml/xml-characters.js";
import { childElements, xml, type Element } from "../xml/xml.js";

const TYPES = new Set<string>(["auth", "cancel", "continue", "modify", "wait"]);

/** Reads the `<error/>` of a stanza of type `error` (RFC 6120 §8.3). A broken one becomes `undefined-condition`. */
export function parseStanzaError(stanza: Element): StanzaError {
  const error = stanza.getChild("error");
  const type = String(error?.attrs["type"]);
  const children = error === undefined ? [] : childElements(error);
  const ours = children.filter((child) => child.getNS() === NS.STANZA_ERRORS);
  const element = ours.find((child) => child.name !== "text");
  const condition = element?.name ?? "undefined-condition";
  const address = element?.text() ?? "";
  const text = ours.find((child) => child.name === "text")?.text() ?? "";
  const application = children.find((child) => child.getNS() !== NS.STANZA_ERRORS);
  return new StanzaError(
    condition,
    TYPES.has(type) ? (type as StanzaErrorType) : "cancel",
    text,
    application && parseApplication(application),
    undefined,
    address === "" ? undefined : address,
  );
}

function parseApplication(element: Element): NonNullable<StanzaError["application"]> {
  const { xmlns: _, ...attrs } = element.attrs as Record<string, string>;
  const text = element.text();
  return {
    name: element.getName(),
    xmlns: element.getNS() ?? "",
    ...(Object.keys(attrs).length > 0 && { attrs }),
    ...(text !== "" && { text }),
  };
}

/** Makes the `<error/>` of a stanza of type `error`. The error's texts may have characters that XML cannot carry. */
export function formatStanzaError(error: StanzaError): Element {
  const { application } = error;
  return xml(
    "error",
    { type: error.type },
    xml(
      error.condition,
      { xmlns: NS.STANZA_ERRORS },
      ...(error.address === undefined ? [] : [fitForXml(error.address)]),
    ),
    ...(error.text === "" ? [] : [xml("text", { xmlns: NS.STANZA_ERRORS }, fitForXml(error.text))]),
    ...(application === undefined
      ? []
      : [
          xml(
            application.name,
            { ...application.attrs, xmlns: application.xmlns },
            ...(application.text === undefined ? [] : [fitForXml(application.text)]),
          ),
        ]),
  );
}
