// What this browser reaches by itself: it gathers ICE candidates from servers, and calls itself through the relay.
//
// Rule 1: nothing here touches the page, so that other pages (LuCI's) load the same module.
// Rule 2: times are seconds since the start. A report is plain data; edgeturn/web/browser.py reads it.

const LONGEST = 20; // seconds
const PINGS = 20;

/** Gather candidates; onChange is given the report as it grows. policy: all or relay. */
export async function gather(iceServers, onChange = () => {}, policy = "all") {
  const connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: policy });
  const began = performance.now();
  const at = () => Math.round(performance.now() - began) / 1000;
  const report = { name: "this browser", policy, servers: servers(iceServers), candidates: [], errors: [], events: [], gathered_all: false };
  try {
    connection.createDataChannel("test");
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, LONGEST * 1000);
      connection.onicecandidate = ({ candidate, url }) => {
        if (candidate && candidate.candidate) report.candidates.push({ ...row(candidate, url), at: at() });
        else if (!candidate) { report.gathered_all = true; clearTimeout(timer); resolve(); }
        onChange(report);
      };
      connection.onicecandidateerror = (event) => {
        report.errors.push({ url: event.url, code: event.errorCode, text: event.errorText, address: event.address ?? "", at: at() });
        onChange(report);
      };
      connection.onicegatheringstatechange = () => report.events.push({ what: "gathering", value: connection.iceGatheringState, at: at() });
      connection.createOffer().then((offer) => connection.setLocalDescription(offer)).catch(reject);
    });
    report.seconds = at();
    name(report.candidates, await connection.getStats());
  } finally {
    connection.close();
  }
  return report;
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
    related: place(candidate.relatedAddress, candidate.relatedPort), url: candidate.url ?? url ?? "",
    relayProtocol: candidate.relayProtocol ?? "", priority: candidate.priority ?? 0, component: candidate.component === "rtcp" ? 2 : 1,
  };
}

/** Take from the statistics what candidates don't tell themselves in every browser: the server and how it was reached. */
function name(candidates, statistics) {
  for (const each of statistics.values()) {
    if (each.type !== "local-candidate") continue;
    const same = candidates.find((one) => one.type === each.candidateType && one.port === each.port && one.protocol === each.protocol && one.priority === each.priority);
    if (!same) continue;
    same.url ||= each.url ?? "";
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
