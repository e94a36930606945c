// The page: logging in, the views by the address's #name, and the relay's state every few seconds while somebody looks.

import * as api from "./api.js";
import { field, form, h, say, show, told } from "./elements.js";
import * as access from "./access.js";
import * as connect from "./connect.js";
import * as overview from "./overview.js";
import * as sessions from "./sessions.js";
import * as test from "./test.js";

const VIEWS = [["overview", "Overview", overview], ["sessions", "Sessions", sessions], ["access", "Access", access], ["connect", "Connect", connect], ["test", "Test", test]];
const EVERY = 5000;
const SECONDS = 600;
const main = document.getElementById("main");
const nav = document.getElementById("nav");
const exit = document.getElementById("leave");
const badge = document.getElementById("state");
const state = { status: null, trouble: "", points: [], now: 0 };
let update = null, timer = 0, loggedIn = false;

function chosen() {
  return VIEWS.find(([name]) => `#${name}` === location.hash) ?? VIEWS[0];
}

function open() {
  const [name, title, view] = chosen();
  document.title = `${title} · edgeturn`;
  for (const link of nav.querySelectorAll("a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  show(main, h("h1", {}, title));
  const place = h("div", { id: `view-${name}` });
  main.append(place);
  update = view.render(place, { attempt, state }) ?? null;
  if (update) attempt(() => update(state));
}

/** Do something that may find us logged out, and say what goes wrong. */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof api.LoggedOut) askForToken("");
    else say(error.message);
    return undefined;
  }
}

async function look() {
  clearTimeout(timer);
  if (loggedIn && !document.hidden) {
    try {
      await take();
      await update?.(state);
    } catch (error) {
      if (error instanceof api.LoggedOut) return askForToken("You were logged out.");
      mark("bad", "no answer");
    }
  }
  timer = setTimeout(look, EVERY);
}

async function take() {
  const found = await api.live(state.points.at(-1)?.at ?? 0);
  state.now = Math.max(state.now, found.points.at(-1)?.at ?? 0);
  state.points = [...state.points, ...found.points].filter((each) => each.at > state.now - SECONDS);
  Object.assign(state, { status: found.status, trouble: found.trouble });
  if (!found.status) mark("bad", "not running");
  else if (found.status.draining) mark("mild", "draining");
  else mark("good", "running");
}

function mark(kind, text) {
  if (badge.textContent === text) return;
  badge.className = `badge ${kind}`;
  badge.textContent = text;
}

function askForToken(why) {
  loggedIn = false;
  update = null;
  nav.hidden = exit.hidden = true;
  badge.textContent = "";
  document.title = "Log in · edgeturn";
  show(main, h("div", { class: "card narrow" },
    h("h1", {}, "Log in"),
    why && told("bad", why),
    h("p", {}, "Paste the token of this page. ", h("code", {}, "edgeturn web --link"), " on the relay's machine prints it."),
    form([field("Token", "token", { type: "password", required: true, autocomplete: "current-password", autofocus: true })], "Log in",
      ({ token }) => enter({ token: token.trim().replace(/^.*#token=/, "") }))));
}

async function enter(proof) {
  try {
    await api.login(proof);
    await begin();
  } catch (error) {
    askForToken(error.message);
  }
}

async function begin() {
  await take();
  loggedIn = true;
  nav.hidden = exit.hidden = false;
  open();
  timer = setTimeout(look, EVERY);
}

async function leave() {
  await attempt(api.logout);
  askForToken("");
}

async function start() {
  const given = /^#(token|code)=([\w-]+)$/.exec(location.hash);
  if (given) {
    history.replaceState(null, "", location.pathname); // neither the history nor a screenshot keeps it
    await enter({ [given[1]]: given[2] });
  } else {
    await api.session().then(({ open: is }) => (is ? begin() : askForToken(""))).catch((error) => askForToken(error.message));
  }
  document.body.dataset.ready = "";
}

show(nav, VIEWS.map(([name, title]) => h("a", { href: `#${name}` }, title)));
exit.addEventListener("click", leave);
addEventListener("hashchange", () => { if (loggedIn) { open(); main.focus({ preventScroll: true }); scrollTo(0, 0); } });
document.addEventListener("visibilitychange", () => { if (loggedIn && !document.hidden) look(); });
start();
