import { createComponentConnection, type Connection } from "@stanzapack/xmpp";
import type { RivalForm } from "../rivals/forms.js";
import { formatRivalBody, formatRivalMessage } from "../rivals/json-messages.js";
import { WindowBatcher } from "../rivals/window-batcher.js";
import type { DemoService } from "./services.js";

export interface TwinSendersOptions {
  readonly domain: string;
  readonly secret: string;
  readonly host: string;
  readonly port: number;
  /** Full JID of each rival's consumer. */
  readonly to: Readonly<Record<RivalForm, string>>;
}

/** Sends the published values as JSON too: each value alone, and in batches of the same windows. */
export interface TwinSenders {
  send(service: DemoService, json: string): void;
  /** The service has no subscribers any more: drops the values that wait in a window. */
  silence(service: DemoService): void;
  stop(): Promise<void>;
}

export async function startTwinSenders(options: TwinSendersOptions): Promise<TwinSenders> {
  const { to, ...own } = options;
  const { domain } = own;
  const connection: Connection = createComponentConnection({ ...own, retryStart: false });
  const batchers = new Map<DemoService, WindowBatcher<string>>();
  const sendTo = (form: RivalForm, service: DemoService, values: readonly string[]): void => {
    const body = formatRivalBody(form, values);
    connection.send(formatRivalMessage(`${domain}/${service.letter}`, to[form], body));
  };
  const batcherOf = (service: DemoService): WindowBatcher<string> => {
    let batcher = batchers.get(service);
    if (batcher === undefined) {
      batcher = new WindowBatcher(service.windowMs, (values) => sendTo("json-batch", service, values));
      batchers.set(service, batcher);
    }
    return batcher;
  };
  await connection.start();
  return {
    send(service, json) {
      sendTo("json-body", service, [json]);
      batcherOf(service).push(json);
    },
    silence: (service) => batchers.get(service)?.stop(),
    async stop() {
      for (const batcher of batchers.values()) batcher.stop();
      await connection.stop();
    },
  };
}
