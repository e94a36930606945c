// What the relay is and does: charts of the last ten minutes, and its state in words.

import * as api from "./api.js";
import { chart } from "./chart.js";
import { button, bytes, duration, h, marked, rate, show, table, told } from "./elements.js";

const percent = (value) => `${Math.round(value)} %`;
const each = (value) => (value < 10 && value % 1 ? value.toFixed(1) : String(Math.round(value)));
const CHARTS = [
  ["Relayed", [["up", "up"], ["down", "down", true]], rate, 1000],
  ["Sessions", [["now", "sessions"]], each, 4],
  ["Carried by the kernel", [["of all bytes", "kernel"]], percent, 100],
  ["Turned away per second", [["refused", "refused"], ["dropped", "dropped", true]], each, 1],
];
const MARKS = { passed: ["✓", "good"], failed: ["✗", "bad"], warned: ["!", "mild"], skipped: ["–", ""] };
const ORDER = ["failed", "warned", "skipped", "passed"];

/** Show it; return what brings it up to date. */
export function render(place) {
  const above = h("div"), charts = h("div", { class: "grid", id: "charts" }), facts = h("section", { class: "card", id: "facts" });
  const checked = h("div", { id: "checked" });
  show(place, above, charts, facts, h("section", { class: "card" },
    h("h2", {}, "Check"),
    h("p", { class: "faint" }, "Tests the relay as a client would, from its own machine. The page Test does it from this browser."),
    button("Check now", () => check(checked), { id: "check" }), checked));
  return (state) => {
    show(above, state.trouble && told("bad", h("p", {}, marked(api.sentence(state.trouble)))), state.status && problems(state.status));
    show(charts, CHARTS.map(([title, series, format, least]) => chart(title, series, state.points, state.now, format, least)));
    show(facts, h("h2", {}, "The relay"), state.status ? list(state.status) : h("p", { class: "faint" }, "Nothing is known of it now."));
  };
}

function problems(status) {
  const found = [
    ...status.not_listening,
    ...status.addresses_away.map((ip) => `${ip} is away now: no new session there.`),
    ...status.external.flatMap((one) => one.problems),
    ...(status.certificate?.problems ?? []),
  ];
  return found.length ? told("mild", h("ul", {}, found.map((text) => h("li", {}, text)))) : null;
}

function list(status) {
  const carried = (way) => `${status.traffic[`${way}_packets`]} packets, ${bytes(status.traffic[`${way}_bytes`])}`;
  const known = status.external.filter((one) => one.address && one.address !== one.relay_address).map((one) => `${one.address} for ${one.relay_address}`);
  const rows = [
    ["Version", `${status.version} on ${status.interpreter}`],
    ["Running for", duration(status.uptime_seconds)],
    ["Realm", status.realm],
    ["Listening on", status.listening.join(", ")],
    ["Relaying from", status.relay_addresses.join(", ")],
    ["Known as", known.join(", ")],
    ["Sessions", `${status.allocations} of ${status.max_allocations}, ${status.allocated_ever} so far`],
    ["Relayed up", carried("up")],
    ["Relayed down", carried("down")],
    ["Kernel path", kernel(status.kernel)],
    ["Certificate", status.certificate && certificate(status.certificate)],
    ["Refused", counts(status.refused)],
    ["Dropped", counts(status.dropped)],
    ["Memory", bytes(status.memory_bytes)],
  ];
  return h("dl", {}, rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

const kernel = (path) => (path.state === "on" ? `carries ${path.channels} channels` : [path.state, path.reason].filter(Boolean).join(", "));
const certificate = (one) => `${one.names.join(", ") || "no name"}, ${one.expires_seconds > 0 ? `expires in ${duration(one.expires_seconds)}` : "has expired"}`;
const counts = (found) => Object.entries(found).map(([name, count]) => `${name}: ${count}`).join(", ") || "none";

async function check(place) {
  show(place, h("p", { class: "faint", role: "status" }, "Testing, which takes some seconds …"));
  try {
    const { steps } = await api.call("check");
    const bad = steps.filter((one) => one.state === "failed").length;
    const rows = [...steps].sort((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state)).map((one) => {
      const [mark, kind] = MARKS[one.state] ?? [one.state, ""];
      const where = [one.transport?.toUpperCase(), one.server].filter(Boolean).join(" ");
      return [h("span", { class: `badge ${kind}`, title: one.state }, mark), where || "–", `${one.relayed ?? ""} ${one.step}`.trim(), marked([one.detail, one.meaning, one.advice].filter(Boolean).join(" "))];
    });
    show(place, told(bad ? "bad" : "good", bad ? `It does not work yet: ${bad} of ${steps.length} steps failed.` : "It works."),
      table("Steps, what matters most first", ["Result", "Where", "Step", "Detail"], rows, "Nothing was tested."));
  } catch (error) {
    show(place, told("bad", marked(error.message)));
  }
}
