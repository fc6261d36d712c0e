// Connects, lists the services of the component, and subscribes to those that the user chooses.
import { connect } from "./stanzapack.js";
import { createValueView } from "./dashboard/page/value-view.js";

const at = (id) => document.getElementById(id);
const form = at("login");

// Parameters of the page's address fill the form. Behind `?` servers see them, behind `#` they do not.
for (const part of [location.search, location.hash]) {
  for (const [name, value] of new URLSearchParams(part.slice(1))) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLInputElement) field.value = value;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { jid, password, component, url } = Object.fromEntries(new FormData(form));
  const button = form.querySelector("button");
  button.disabled = true;
  at("failure").hidden = true;
  setState("connecting", "connecting …");
  try {
    const client = await connect({ jid, password, component, ...(url !== "" && { url }) });
    form.hidden = true;
    await show(client);
  } catch (error) {
    setState("offline", "not connected");
    tell(error);
  } finally {
    button.disabled = false;
  }
});

async function show(client) {
  const timers = [];
  const setOnline = () => setState("online", client.jid);
  client.on("online", setOnline);
  client.on("offline", () => setState("offline", "connecting again …"));
  client.on("closed", (error) => {
    for (const timer of timers) clearInterval(timer);
    at("services").replaceChildren();
    setState("offline", "closed");
    form.hidden = false;
    if (error !== undefined) tell(error);
  });
  setOnline();
  /**
   * Number of values of all services; the values and bytes before the newest choice of services and windows; and the
   * number of subscriptions.
   */
  const counts = { values: 0, valuesBefore: 0, bytesBefore: 0, subscriptions: 0 };
  at("meter").hidden = false;
  timers.push(setInterval(createMeter(client, counts), 1_000));
  const known = new Set();
  const list = async () => {
    for (const service of await client.listServices()) {
      if (known.has(service.node)) continue;
      known.add(service.node);
      at("services").append(createCard(client, service, counts));
    }
  };
  await list();
  // While values arrive, the page lists nothing: "received for each" counts all bytes.
  const isIdle = () => client.online && counts.subscriptions === 0;
  timers.push(setInterval(() => void (isIdle() && list().catch(tell)), 5_000));
}

/** Makes the card of one service. It subscribes, shows values, changes the window and ends the subscription. */
function createCard(client, { node, title, online }, counts) {
  const card = at("service").content.cloneNode(true).querySelector("article");
  const part = (selector) => card.querySelector(selector);
  card.dataset.node = node;
  card.toggleAttribute("data-offline", !online);
  part("h2").textContent = node;
  part(".title").textContent = title;
  const view = createValueView(title);
  part(".view").append(view.element);
  let subscription;
  let count = 0;

  const note = (text) => (part(".note").textContent = text);
  const setLive = (live) => {
    card.toggleAttribute("data-live", live);
    part(".toggle").textContent = live ? "Stop" : "Subscribe";
  };

  /** Begins to count the bytes of each value anew. */
  const countAnew = () => {
    counts.valuesBefore = counts.values;
    counts.bytesBefore = client.meter.received.xmpp;
  };

  const subscribe = async () => {
    subscription = await client.subscribe(node, { windowMs: Number(part("select").value) });
    counts.subscriptions++;
    countAnew();
    setLive(true);
    subscription.on("update", ({ value, at }) => {
      count++;
      counts.values++;
      view.add(value, at);
      note(count === 1 ? "1 value" : `${count} values`);
    });
    subscription.on("lost", ({ from, to }) => note(`lost ${from} to ${to}`));
    subscription.on("status", ({ status }) => card.toggleAttribute("data-offline", status !== "online"));
    subscription.on("ended", (error) => {
      subscription = undefined;
      counts.subscriptions--;
      countAnew();
      setLive(false);
      if (error !== undefined) note(error.message);
    });
  };

  /** Does one thing at a time, and shows its error in the card. */
  const act = async (action) => {
    const fields = card.querySelectorAll("button, select");
    for (const field of fields) field.disabled = true;
    try {
      await action();
    } catch (error) {
      note(error.message);
    }
    for (const field of fields) field.disabled = false;
  };
  part(".toggle").addEventListener("click", () =>
    act(() => (subscription === undefined ? subscribe() : subscription.stop())),
  );
  part("select").addEventListener("change", () =>
    act(async () => {
      if (subscription === undefined) return;
      const { windowMs } = await subscription.change({ windowMs: Number(part("select").value) });
      countAnew();
      note(`window ${windowMs} ms`);
    }),
  );
  return card;
}

/** Shows the bytes of the XMPP stream. Over BOSH it shows those of bodies only, because a browser hides the headers. */
function createMeter(client, counts) {
  let before = client.meter.received.xmpp;
  return () => {
    const now = client.meter.received.xmpp;
    at("received").textContent = format(now);
    at("rate").textContent = `${format(now - before)}/s`;
    at("sent").textContent = format(client.meter.sent.xmpp);
    at("values").textContent = String(counts.values);
    const values = counts.values - counts.valuesBefore;
    at("each").textContent = values === 0 ? "–" : format((now - counts.bytesBefore) / values);
    before = now;
  };
}

function format(bytes) {
  if (bytes < 1_000) return `${bytes.toFixed(bytes % 1 === 0 ? 0 : 1)} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

function setState(state, text) {
  at("state").dataset.state = state;
  at("state").textContent = text;
}

function tell(error) {
  at("failure").textContent = error.message;
  at("failure").hidden = false;
}
