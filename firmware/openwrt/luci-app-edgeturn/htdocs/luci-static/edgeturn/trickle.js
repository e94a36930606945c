// What this browser reaches by itself: it gathers ICE candidates from servers, and calls itself through the relay.
//
// Rule 1: nothing here touches the page, so that other pages (LuCI's) load the same module.
// Rule 2: times are seconds since the start. A report is plain data; edgeturn/web/browser.py reads it.

export const LONGEST = 15; // seconds of gathering, and of a call's coming about
const PINGS = 20;
const EVERY = 500; // milliseconds
const UNREACHED = 701; // W3C WebRTC, RTCPeerConnectionIceErrorEvent

/** Gather candidates; onChange is given the report as it grows, and twice a second. policy: all or relay. */
export async function gather(iceServers, onChange = () => {}, policy = "all") {
  const connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: policy });
  const began = performance.now();
  const at = () => Math.round(performance.now() - began) / 1000;
  const report = { name: "this browser", policy, servers: servers(iceServers), candidates: [], errors: [], events: [], gathered_all: false };
  const ticking = setInterval(() => connection.getStats().then((known) => {
    name(report.candidates, known);
    if (report.seconds === undefined) { report.so_far = at(); onChange(report); }
  }).catch(() => {}), EVERY);
  try {
    connection.createDataChannel("test");
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, LONGEST * 1000);
      const grown = () => { report.so_far = at(); onChange(report); };
      connection.onicecandidate = ({ candidate, url }) => {
        if (candidate && candidate.candidate) report.candidates.push({ ...row(candidate, url), at: at() });
        else if (!candidate) { report.gathered_all = true; clearTimeout(timer); resolve(); }
        grown();
      };
      connection.onicecandidateerror = (event) => {
        report.errors.push({ url: bracketed(event.url ?? ""), code: event.errorCode, text: event.errorText, address: event.address ?? "", at: at() });
        grown();
      };
      connection.onicegatheringstatechange = () => report.events.push({ what: "gathering", value: connection.iceGatheringState, at: at() });
      connection.createOffer().then((offer) => connection.setLocalDescription(offer)).catch(reject);
    });
    report.so_far = at();
    name(report.candidates, await connection.getStats());
    if (!report.gathered_all) giveUp(report);
    report.seconds = at();
  } finally {
    clearInterval(ticking);
    connection.close();
  }
  return report;
}

/** Return a URI as RFC 7064 and RFC 7065 have it: browsers tell IPv6 addresses of STUN without brackets. */
export const bracketed = (uri) => uri.replace(/^((?:stun|turn)s?):([^[\]?]*:[^[\]?]*):(\d+)/, "$1:[$2]:$3");

/** Add as errors what browsers would say later of servers that haven't answered. */
function giveUp(report) {
  const open = answers(report).filter(([, state]) => state === "open");
  report.errors.push(...open.map(([url]) => ({ url, code: UNREACHED, text: `no answer in ${LONGEST} s`, address: "", at: report.so_far })));
}

/** Say whether two URIs name the same: Firefox leaves out what is usual. */
const same = (one, other) => [one, other].map((uri) => uri.replace(/^(turn:[^?]*)\?transport=udp$/, "$1").replace(/^(turns:[^?]*)\?transport=tcp$/, "$1")).every((uri, at, all) => uri === all[0]);

/** Say whether a candidate of a browser that doesn't tell the server may have come from one. */
function fits({ type, relayProtocol }, uri) {
  const transport = uri.startsWith("turns:") ? "tls" : uri.endsWith("transport=tcp") ? "tcp" : "udp";
  return type === "relay" ? uri.startsWith("turn") && transport === relayProtocol : type === "srflx" && uri.startsWith("stun");
}

/** Return for each server what came of it so far: [uri, state, words]; state: good, bad or open. */
export function answers(report) {
  const failed = (uri) => report.errors.find((each) => same(each.url, uri));
  return report.servers.map(({ uri }) => {
    const given = report.candidates.find((each) => same(each.url, uri)), refused = failed(uri);
    if (given) return [uri, "good", `${given.type} after ${given.at.toFixed(2)} s`];
    const [unnamed] = refused ? [] : report.candidates.filter((each) => !each.url && fits(each, uri));
    const rivals = unnamed ? report.servers.filter((each) => fits(unnamed, each.uri) && !failed(each.uri)) : [];
    const enough = unnamed && report.candidates.filter((each) => fits(each, uri)).length >= rivals.length;
    if (unnamed) return [uri, enough ? "good" : "open", `${unnamed.type} after ${unnamed.at.toFixed(2)} s${enough ? "" : ", from this one or another"}`];
    if (refused && refused.code !== UNREACHED) return [uri, "bad", `refused with ${refused.code} after ${refused.at.toFixed(2)} s`];
    if (refused) return [uri, "bad", `not reached in ${refused.at.toFixed(1)} s`];
    if (report.seconds === undefined) return [uri, "open", `no answer for ${Math.floor(report.so_far ?? 0)} s`];
    return [uri, "open", "nothing that others didn't give, too"];
  });
}

/** Return the ways on which the relay gave an address, [transport, iceServers] each, with the server that was first on it. */
export function ways(iceServers, report) {
  const found = new Map();
  for (const { type, relayProtocol, url } of report.candidates) {
    if (type === "relay" && !found.has(relayProtocol)) found.set(relayProtocol, url);
  }
  const only = (url) => iceServers.map((each) => ({ ...each, urls: [each.urls].flat().filter((one) => !url || one === url) })).filter((each) => each.urls.length);
  // Where a browser doesn't tell by which server, or tells it in other words, all of them are asked.
  return [...found].map(([transport, url]) => [transport, only(url).length ? only(url) : iceServers]);
}

/** Call this browser itself through the relay; return how it went. */
export async function loop(iceServers) {
  const began = performance.now();
  const sides = [0, 1].map(() => new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" }));
  const [caller, callee] = sides;
  const found = { connected: false, latencies: [], pairs: [], events: [], error: "" };
  try {
    sides.forEach((side, number) => {
      side.onicecandidate = ({ candidate }) => candidate && sides[1 - number].addIceCandidate(candidate).catch(() => {});
    });
    caller.oniceconnectionstatechange = () => found.events.push({ what: "ice", value: caller.iceConnectionState, at: Math.round(performance.now() - began) / 1000 });
    callee.ondatachannel = ({ channel }) => { channel.onmessage = ({ data }) => channel.send(data); };
    const channel = caller.createDataChannel("echo", { ordered: false, maxRetransmits: 0 });
    const opened = within(new Promise((resolve) => { channel.onopen = resolve; }), LONGEST);
    await connect(caller, callee);
    await opened;
    found.connected = true;
    found.seconds = Math.round(performance.now() - began) / 1000;
    found.latencies = await echo(channel);
  } catch (error) {
    found.error = error.message;
  } finally {
    found.pairs = pairs(await caller.getStats());
    sides.forEach((side) => side.close());
  }
  return found;
}

async function connect(caller, callee) {
  await caller.setLocalDescription(await caller.createOffer());
  await callee.setRemoteDescription(caller.localDescription);
  await callee.setLocalDescription(await callee.createAnswer());
  await caller.setRemoteDescription(callee.localDescription);
}

/** Return the times in milliseconds that messages took to the other end and back; a lost one is left out. */
async function echo(channel) {
  const times = [];
  for (let number = 0; number < PINGS; number += 1) {
    const sent = performance.now();
    const back = new Promise((resolve) => { channel.onmessage = ({ data }) => data === String(number) && resolve(); });
    channel.send(String(number));
    await within(back, 1).then(() => times.push(performance.now() - sent), () => {});
  }
  return times;
}

function within(promise, seconds) {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const place = (address, port) => (address ? (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`) : "");

function row(candidate, url) {
  return {
    type: candidate.type, protocol: candidate.protocol, address: candidate.address ?? "", port: candidate.port ?? 0,
    related: place(candidate.relatedAddress, candidate.relatedPort), url: bracketed(candidate.url ?? url ?? ""),
    relayProtocol: candidate.relayProtocol ?? "", priority: candidate.priority ?? 0, component: candidate.component === "rtcp" ? 2 : 1,
  };
}

/** Take from the statistics what candidates don't tell themselves in every browser: the server and how it was reached. */
function name(candidates, statistics) {
  for (const each of statistics.values()) {
    if (each.type !== "local-candidate") continue;
    const same = candidates.find((one) => one.type === each.candidateType && one.port === each.port && one.protocol === each.protocol && one.priority === each.priority);
    if (!same) continue;
    same.url ||= bracketed(each.url ?? "");
    same.relayProtocol ||= each.relayProtocol ?? "";
  }
}

function pairs(statistics) {
  const side = (id) => {
    const each = statistics.get(id) ?? {};
    return { type: each.candidateType ?? "", protocol: each.protocol ?? "", address: each.address ?? "", port: each.port ?? 0, url: each.url ?? "", relayProtocol: each.relayProtocol ?? "", priority: each.priority ?? 0 };
  };
  return [...statistics.values()].filter((each) => each.type === "candidate-pair").map((each) => ({
    local: side(each.localCandidateId), remote: side(each.remoteCandidateId), state: each.state, nominated: each.nominated === true,
    requestsSent: each.requestsSent, responsesReceived: each.responsesReceived, requestsReceived: each.requestsReceived,
    bytesSent: each.bytesSent, bytesReceived: each.bytesReceived,
  }));
}

function servers(iceServers) {
  return iceServers.flatMap((each) => [each.urls].flat().map((uri) => ({ uri, username: each.username ?? "", has_credential: Boolean(each.credential) })));
}
