// Who uses the relay now, and ending it.

import * as api from "./api.js";
import { bytes, dangerous, duration, h, say, show, table } from "./elements.js";

const COLUMNS = ["User", "Client", "By", "Relayed", "Peers", "Age", "Idle", "Up", "Down", "Kernel", ""];

/** Show it; return what brings it up to date. */
export function render(place) {
  const shown = h("section", { class: "card scroll", id: "sessions" });
  show(place, shown);
  const refresh = async (state) => {
    if (!state.status) {
      show(shown, h("p", { class: "faint" }, "The relay doesn't run."));
      return;
    }
    if (shown.querySelector(".armed")) return; // somebody is about to press it
    const { sessions, total } = await api.call("sessions");
    const more = total > sessions.length ? ` (the first ${sessions.length} of ${total})` : "";
    show(shown, table(`${total} now${more}`, COLUMNS, sessions.map((one) => row(one, () => refresh(state))), "No session now. A call that needs the relay appears here."));
  };
  return refresh;
}

function row(one, refresh) {
  const kick = async () => {
    await api.call("kick", { session: one.session });
    say(`Session ${one.session} of ${one.user} is ended.`);
    await refresh();
  };
  const total = one.up_bytes + one.down_bytes;
  return [
    one.user, one.client, one.transport.toUpperCase(), one.relayed.join(", "), [...one.peers, ...one.tcp_peers].join(", ") || "–",
    duration(one.age_seconds), duration(one.idle_seconds), bytes(one.up_bytes), bytes(one.down_bytes),
    total ? `${Math.round(100 * Math.min(1, one.kernel_bytes / total))} %` : "–",
    dangerous("Kick", "End it?", kick, { "aria-label": `End session ${one.session} of ${one.user}`, "data-kick": one.session }),
  ];
}
