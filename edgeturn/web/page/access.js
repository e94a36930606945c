// Who may use the relay: users with passwords, and the secrets that time-limited credentials are minted with.

import * as api from "./api.js";
import { button, copyable, dangerous, field, form, h, say, show, table, told } from "./elements.js";

/** Show it. */
export function render(place, { attempt }) {
  const users = h("div", { id: "users" }), secrets = h("div", { id: "secrets" }), made = h("div", { id: "made" });
  const refresh = async () => { await Promise.all([showUsers(users, refresh, made), showSecrets(secrets, refresh, made)]); };
  const addUser = async ({ name, password }, target) => {
    const done = await api.call("user_add", password ? { name, password } : { name });
    show(made, taken(done), done.password && h("div", { class: "card" }, h("h2", {}, `Password of ${done.name}`), copyable(done.password)));
    await refresh();
  };
  show(place, made,
    h("section", { class: "card" }, h("h2", {}, "Users"),
      h("p", { class: "faint" }, "For people and devices that keep a password. For browsers take credentials that end: page Connect."),
      users,
      form([field("Name", "name", { required: true, maxlength: 508 }), field("Password, empty for a random one", "password", { type: "password", autocomplete: "new-password" })], "Add user", addUser, { id: "add-user" })),
    h("section", { class: "card" }, h("h2", {}, "Secrets"),
      h("p", { class: "faint" }, "Applications mint credentials with the first secret. All of them are accepted, so that one can be rotated without an outage."),
      secrets,
      h("div", { class: "row" },
        button("Rotate: a new one in front", () => change("secret_rotate", {}, made, refresh), { id: "rotate" }),
        button("Add one behind", () => change("secret_add", {}, made, refresh), { id: "add-secret" }))));
  attempt(refresh);
}

async function showUsers(place, refresh, made) {
  const { users } = await api.call("users");
  const rows = users.map((one) => [one.name, one.kept, dangerous("Remove", "Remove, and end its sessions?", () => change("user_remove", { name: one.name, kick: true }, made, refresh), { "aria-label": `Remove user ${one.name}` })]);
  show(place, table("Users with a password", ["Name", "Kept as", ""], rows, "No user."));
}

async function showSecrets(place, refresh, made) {
  const { secrets } = await api.call("secrets");
  const rows = secrets.map((one) => [h("code", {}, one.fingerprint), one.mints ? "mints" : "accepted", [
    button("Show", () => reveal(one.fingerprint, made), { "aria-label": `Show secret ${one.fingerprint}` }),
    dangerous("Remove", "Remove it?", () => change("secret_remove", { fingerprint: one.fingerprint }, made, refresh), { "aria-label": `Remove secret ${one.fingerprint}` }),
  ]]);
  show(place, table("Secrets by fingerprint", ["Fingerprint", "Use", ""], rows, "No secret."));
}

async function reveal(fingerprint, made) {
  const { secret } = await api.call("secret_show", { fingerprint });
  show(made, h("div", { class: "card" }, h("h2", {}, `Secret ${fingerprint}`), copyable(secret), " ", button("Hide", () => show(made))));
}

async function change(method, given, made, refresh) {
  const done = await api.call(method, given);
  show(made, taken(done));
  await refresh();
  say("Saved.");
}

/** Say whether the running relay has taken a change. */
function taken(done) {
  if (done.applied) return told("good", "Saved, and the relay has taken it.");
  return told("mild", done.note ? `Saved, but the relay hasn't taken it: ${done.note}` : "Saved. The relay takes it when it runs.");
}
