// Giving the relay to an application or a telephone: a credential that ends, as iceServers, to copy or as a picture.

import * as api from "./api.js";
import { button, choice, copyable, field, form, h, say, show, told } from "./elements.js";

const LIFETIMES = [["600", "10 minutes"], ["3600", "1 hour"], ["86400", "1 day"], ["604800", "1 week"], ["2592000", "30 days"]];

/** Show it. */
export function render(place) {
  const minted = h("div", { id: "minted" }), phone = h("div", { id: "phone" });
  show(place,
    h("section", { class: "card" }, h("h2", {}, "A credential for an application"),
      h("p", { class: "faint" }, "It's valid for the time that you choose, and nobody has to be told when it ends. Quotas and the log go by its name."),
      form([field("Name", "user", { value: "guest", required: true, maxlength: 100 }), choice("Valid for", "ttl", LIFETIMES, "86400")], "Make it",
        ({ user, ttl }) => mint(minted, user, Number(ttl)), { id: "mint" }), minted),
    h("section", { class: "card" }, h("h2", {}, "Open this page on a telephone"),
      h("p", { class: "faint" }, "The picture logs in once, within two minutes. A telephone in the network of a mobile operator reaches the relay as the world does: run Test there, too, if the page can be reached."),
      button("Show the picture", () => invite(phone), { id: "invite" }), phone));
}

async function mint(place, user, ttl) {
  const given = await api.call("snippet", { user, ttl });
  const [server] = given.iceServers;
  const until = new Date(Number(server.username.split(":")[0]) * 1000);
  const text = JSON.stringify(given, null, 2);
  show(place,
    told("good", `Valid until ${until.toLocaleString()}.`),
    h("div", { class: "grid" },
      h("div", {}, h("h2", {}, "iceServers for RTCPeerConnection"), copyable(text, "Copy iceServers")),
      h("div", {}, h("h2", {}, "One by one"),
        h("p", { class: "small faint" }, "Username"), copyable(server.username, "Copy username"),
        h("p", { class: "small faint" }, "Password"), copyable(server.credential, "Copy password"),
        h("p", { class: "small faint" }, "Addresses"), copyable([server.urls].flat().join("\n"), "Copy addresses")),
      await picture(JSON.stringify(given), "QR code of the iceServers", "The same as a picture")));
}

async function invite(place) {
  const { code } = await api.code();
  const link = `${location.origin}/#code=${code}`;
  show(place, await picture(link, "QR code that opens this page", "Point a camera at it"));
}

/** Return a picture of a text, or why there's none. */
async function picture(text, alt, title) {
  try {
    const image = h("img", { class: "qr", alt, src: await api.qr(text), width: 272, height: 272, "data-text": text });
    return h("div", {}, h("h2", {}, title), image);
  } catch (error) {
    say(error.message);
    return null;
  }
}
