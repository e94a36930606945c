// The Trickle-ICE test: what this very browser gathers and reaches, and beside it what that means.

import * as api from "./api.js";
import { button, copyable, h, marked, show, table, told } from "./elements.js";
import { LONGEST, answers, gather, loop, ways } from "./trickle.js";

const LIFETIME = 300; // seconds of the credential: it's for this test only
const CERTAINTIES = { certain: "bad", likely: "mild", possible: "mild" };
const MEANINGS = {
  host: "an address of this device",
  srflx: "its address as the relay sees it",
  relay: "an address on the relay",
  prflx: "an address that the other side has seen",
};

/** Show it. */
export function render(place, { attempt }) {
  const shown = h("div", { id: "tested" }), choices = h("details", { class: "card", id: "servers" });
  const start = button("Test from this browser", () => attempt(() => run(shown, choices)), { class: "main", id: "run" });
  show(place,
    h("p", { class: "faint" }, "This browser gathers candidates as for a call, shows them as they come, and then calls itself through the relay. Nothing leaves your network but what a call would send."),
    h("p", {}, start), choices, shown);
  attempt(() => offer(choices));
}

async function offer(place) {
  const { iceServers } = await api.call("snippet", { user: "page-test", ttl: LIFETIME });
  show(place, h("summary", {}, "Which servers"), [iceServers[0].urls].flat().map((url) =>
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "url", value: url, checked: true }), h("code", {}, url))));
}

async function run(place, choices) {
  if (!("RTCPeerConnection" in globalThis)) {
    show(place, told("bad", "This browser has no WebRTC, or it is switched off."));
    return;
  }
  const urls = [...choices.querySelectorAll("input:checked")].map((each) => each.value);
  const { iceServers } = await api.call("snippet", { user: "page-test", ttl: LIFETIME });
  iceServers[0].urls = urls;
  if (!urls.length) {
    show(place, told("mild", "Choose a server at least."));
    return;
  }
  await tests(place, iceServers);
}

async function tests(place, iceServers) {
  const candidates = h("section", { class: "card", id: "candidates" }), call = h("section", { class: "card", id: "loop" });
  const meaning = h("section", { class: "card", id: "diagnosis", "aria-live": "polite" });
  show(place, h("div", { class: "grid uneven" }, h("div", {}, candidates, call), meaning));
  show(call, h("h2", {}, "A call through the relay"), h("p", { class: "faint" }, "Comes after the candidates."));
  show(meaning, h("h2", {}, "Diagnosis"), h("p", { class: "faint" }, "Comes last."));
  const report = await gather(iceServers, (found) => showCandidates(candidates, found));
  showCandidates(candidates, report);
  const calls = await tryCalls(call, ways(iceServers, report));
  const best = calls.find((each) => each.connected) ?? calls[0];
  await diagnose(meaning, { ...report, pairs: best?.pairs ?? [], events: [...report.events, ...(best?.events ?? [])] }, calls);
}

function showCandidates(place, report) {
  const rows = report.candidates.map((each) => [
    h("span", { class: `kind ${each.type}`, title: MEANINGS[each.type] }, each.type),
    [each.protocol, each.relayProtocol && `by ${each.relayProtocol}`].filter(Boolean).join(" "),
    each.address ? `${each.address}:${each.port}` : "hidden",
    each.url || "–",
    `${each.at.toFixed(2)}\u00a0s`,
  ]);
  const errors = report.errors.map((each) => h("li", {}, `${each.at.toFixed(2)} s: ${each.url}${each.address ? ` from ${each.address}` : ""}: ${each.code} ${each.text}`));
  const counted = ["host", "srflx", "relay"].map((kind) => `${report.candidates.filter((each) => each.type === kind).length} ${kind}`).join(", ");
  show(place, h("h2", {}, "Candidates"),
    report.seconds === undefined
      ? h("p", { class: "small faint" }, `Gathering for ${Math.floor(report.so_far ?? 0)} s, at most ${LONGEST} s; so far ${counted}.`)
      : h("p", { role: "status", class: "small faint" }, `${counted} in ${report.seconds.toFixed(2)} s${report.gathered_all ? "" : ", and it isn't waited for longer"}.`),
    h("ul", { class: "answers small", "aria-label": "Servers" }, answers(report).map(([uri, state, words]) =>
      h("li", {}, h("code", {}, uri), " ", h("span", { class: `state ${state}` }, words)))),
    h("div", { class: "scroll" }, table("As they came", ["Kind", "Transport", "Address", "From", "After"], rows, "None yet.")),
    errors.length > 0 && h("details", { open: report.candidates.every((each) => each.type === "host") },
      h("summary", {}, `${errors.length} server${errors.length > 1 ? "s or interfaces" : " or interface"} gave no candidate`), h("ul", { class: "small" }, errors)));
}

async function tryCalls(place, chosen) {
  const title = h("h2", {}, "A call through the relay");
  if (!chosen.length) show(place, title, told("bad", "Not possible: the relay has given no address."));
  const calls = [];
  for (const [transport, iceServers] of chosen) {
    show(place, title, calls.map(verdict), h("p", { role: "status", class: "faint" }, `Calling, with the relay reached by ${name(transport)}, at most ${LONGEST} s …`));
    calls.push({ transport, ...(await loop(iceServers)) });
  }
  if (calls.length) show(place, title, calls.map(verdict));
  return calls;
}

const name = (transport) => transport.toUpperCase() || "any transport";

function verdict({ transport, connected, latencies, seconds, error }) {
  if (!connected) return told("bad", `By ${name(transport)} it didn't come about: ${error || "no connection"}.`);
  if (!latencies.length) return told("bad", `By ${name(transport)} it came about, but nothing came back.`);
  const sorted = [...latencies].sort((one, other) => one - other);
  const middle = sorted[Math.floor(sorted.length / 2)];
  return told("good", h("p", {}, h("strong", {}, `Media can flow by ${name(transport)}.`)),
    h("p", {}, `Connected in ${seconds.toFixed(2)} s. A message there and back takes ${middle.toFixed(1)} ms (${sorted[0].toFixed(1)} to ${sorted.at(-1).toFixed(1)}); ${20 - sorted.length} of 20 messages lost.`));
}

async function diagnose(place, report, calls) {
  const works = calls.some((each) => each.latencies.length);
  try {
    const { answer, findings } = await api.diagnose(report);
    const fine = works ? told("good", "This browser reaches the relay, and the relay carries a call.") : null;
    show(place, h("h2", {}, "Diagnosis"), fine, fine && silent(report),
      findings.length ? findings.map(finding) : !fine && told("mild", marked(answer)),
      h("details", {}, h("summary", {}, "The report, for whoever helps you"), copyable(JSON.stringify(report, null, 2), "Copy report")));
  } catch (error) {
    if (error instanceof api.LoggedOut) throw error;
    show(place, h("h2", {}, "Diagnosis"), told("mild", error.message));
  }
}

/** Return what is to be said of servers that gave nothing, where a call goes by others; null where there are none. */
function silent(report) {
  const found = answers(report).filter(([, state]) => state === "bad").map(([uri]) => uri);
  if (!found.length) return null;
  return told("mild", h("p", {}, "But nothing came from ", found.map((uri, at) => [at ? ", " : "", h("code", {}, uri)]).flat(), ": who needs these gets no call."),
    h("p", {}, marked("Next: `edgeturn check` on the relay's machine says whether it answers there, and `edgeturn firewall show` what is in the way; else a network between this browser and the relay stops it.")));
}

function finding(one) {
  return h("div", { class: `told ${CERTAINTIES[one.certainty] ?? "mild"}`, "data-case": one.case },
    h("p", {}, h("strong", {}, marked(one.conclusion)), " ", h("span", { class: "small" }, `(${one.certainty})`)),
    one.evidence.length > 0 && h("ul", { class: "small" }, one.evidence.map((text) => h("li", {}, marked(text)))),
    one.next.length > 0 && h("p", {}, "Next:"),
    one.next.length > 0 && h("ul", {}, one.next.map((text) => h("li", {}, marked(text)))));
}
