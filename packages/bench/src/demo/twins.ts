import { bareJid, createClientConnection, type Connection, type Element } from "@stanzapack/xmpp";
import type { RivalForm } from "../rivals/forms.js";
import { parseRivalBody } from "../rivals/json-messages.js";
import { QuoteEscapes } from "../rivals/quote-escapes.js";
import { hashJson, type PublishedLog } from "./delivery.js";
import { FormMeasurement } from "./measurement.js";
import type { Account, Road } from "./publishers.js";
import { DEMO_SERVICES } from "./services.js";

/** A rival's consumer: an ordinary client that receives the same values at the same time as JSON. */
export interface Twin {
  readonly form: RivalForm;
  /** Its full JID, to which the rival sends. */
  readonly jid: string;
  readonly measurement: FormMeasurement;
  /** Called once if the client ends by itself. */
  onFailure: ((error: Error) => void) | undefined;
  close(): Promise<void>;
}

export interface TwinOptions {
  readonly form: RivalForm;
  readonly account: Account;
  readonly road: Road;
  /** Domain of the component that sends to it. */
  readonly sender: string;
  readonly logs: ReadonlyMap<string, PublishedLog>;
  readonly signal: AbortSignal;
}

/** Starts a consumer. Its connection is like the SDK's own: as short a resource, the same Stream Management. */
export async function startTwin(options: TwinOptions): Promise<Twin> {
  const { form, account, road } = options;
  const connection = createClientConnection({ ...account, ...road });
  const escapes = new QuoteEscapes(!road.compress);
  const measurement = new FormMeasurement(form, connection.meter, options.logs, road, escapes);
  const twin: Twin = {
    form,
    measurement,
    onFailure: undefined,
    get jid() {
      return connection.jid;
    },
    close: () => connection.stop(),
  };
  connection.on("ended", (reason) => {
    if (reason !== undefined && reason.code !== "stopped") twin.onFailure?.(reason);
  });
  takeMessages(connection, options, measurement, escapes);
  try {
    await connection.start({ signal: options.signal });
  } catch (error) {
    await connection.stop();
    throw error;
  }
  return twin;
}

function takeMessages(
  connection: Connection,
  { form, sender }: TwinOptions,
  measurement: FormMeasurement,
  escapes: QuoteEscapes,
): void {
  connection.onStanza((stanza: Element, chars = 0) => {
    const from = String(stanza.attrs["from"]);
    if (!stanza.is("message") || bareJid(from) !== sender) return false;
    const letter = from.slice(sender.length + 1);
    const service = DEMO_SERVICES.find((candidate) => candidate.letter === letter)?.name;
    if (service === undefined) return false;
    const body = stanza.getChildText("body") ?? "";
    // A message has items of one service only, so the service gets all its bytes.
    measurement.stanza(chars, [{ service, chars: body.length }]);
    measurement.addQuotes(service, escapes.observe(stanza, chars));
    for (const value of parseRivalBody(form, body))
      measurement.value(service, hashJson(JSON.stringify(value)));
    return true;
  });
}
