// What this page asks of `edgeturn web`. A call that can't be answered throws an Error with one sentence.

export class LoggedOut extends Error {}

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { credentials: "same-origin", ...options }).catch(() => {
    throw new Error("edgeturn web doesn't answer: has it ended?");
  });
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({ error: `the answer was ${answer.status}.` }));
  throw answer.status === 401 && path !== "/api/login" ? new LoggedOut(sentence(error)) : new Error(sentence(error));
}

/** Return a text as a sentence begins. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const json = (path, body) => ask(path, body).then((answer) => answer.json());

export const session = () => json("/api/session");
export const login = (proof) => json("/api/login", proof);
export const logout = () => json("/api/logout", {});
export const code = () => json("/api/code", {});
export const live = (since) => json(`/api/live?since=${since}`);
export const diagnose = (report) => json("/api/diagnose", report);

/** Call a method of edgeturn/command/rpcd.py; the luci-app calls the same ones. */
export const call = (method, given = {}) => json(`/api/call/${method}`, given);

/** Return the address of a picture of a text, for <img>. */
export const qr = (text) => ask("/api/qr", { text }).then((answer) => answer.blob()).then((blob) => URL.createObjectURL(blob));
