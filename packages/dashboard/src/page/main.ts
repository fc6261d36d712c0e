// The dashboard: loads its settings, logs an administrator in, and shows what the component tells.
import { describeFailure, describeLoss } from "../model/failure.js";
import type { DashboardSettings } from "../model/settings.js";
import { createBoard } from "./board.js";
import { showComparison } from "./comparison-view.js";
import { find, setText } from "./dom.js";
import { openSession, type Session } from "./session.js";

interface Account {
  readonly jid: string;
  readonly password: string;
}

const form = find("login", "form");
const state = find("state", "output");
const notice = find("notice", "p");
const main = find("board", "main");
const logout = find("logout", "button");

function setState(kind: "idle" | "connecting" | "online" | "offline", text: string): void {
  state.dataset["state"] = kind;
  setText(state, text);
}

function tell(text: string): void {
  setText(notice, text);
  notice.hidden = text === "";
}

async function start(): Promise<void> {
  const response = await fetch("/settings.json");
  if (!response.ok) throw new Error(await response.text());
  const settings = (await response.json()) as DashboardSettings;
  setText(find("component", "p"), settings.component);
  const board = createBoard();
  let session: Session | undefined;

  const showForm = (): void => {
    session = undefined;
    main.hidden = logout.hidden = true;
    form.hidden = false;
    board.clear();
    setState("idle", "logged out");
  };

  const logIn = async (account: Account): Promise<void> => {
    const fail = (error: unknown): void => {
      const { text, advice } = describeFailure(error, { ...account, component: settings.component });
      showForm();
      tell(`${text} ${advice}`.trim());
    };
    tell("");
    setState("connecting", "logging in …");
    try {
      const opened = await openSession(account, settings, {
        onChange: board.touch,
        onOverview: board.addOverview,
        onLink(lost) {
          setState(
            lost === undefined ? "online" : "offline",
            lost === undefined ? account.jid : "connecting again …",
          );
          main.classList.toggle("stale", lost !== undefined);
          tell(lost === undefined ? "" : describeLoss(lost.text, Date.now()));
        },
        onEnded: fail,
      });
      session = opened;
      form.reset();
      form.hidden = true;
      main.hidden = logout.hidden = false;
      board.show(opened);
    } catch (error) {
      fail(error);
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    const button = form.querySelector("button") as HTMLButtonElement;
    button.disabled = true;
    const account = { jid: textOf(fields, "jid").trim(), password: textOf(fields, "password") };
    void logIn(account).finally(() => (button.disabled = false));
  });
  logout.addEventListener("click", () => {
    void session?.close();
    showForm();
  });

  if (settings.hasComparison === true) {
    const section = find("comparison", "section");
    section.hidden = false;
    showComparison(section);
  }
  if (settings.account === undefined) showForm();
  else await logIn(settings.account);
}

function textOf(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}

start().catch((error: unknown) => {
  setState("offline", "not loaded");
  tell(`The page cannot load its settings: ${error instanceof Error ? error.message : String(error)}`);
});
