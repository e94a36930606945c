// A call between two Chromiums, one in each house; writes the dump that chrome://webrtc-internals makes of each side.
//
//   node call.mjs '{"modules": FOLDER, "chromiums": {"alice": PROGRAM, "bob": PROGRAM}, "out": {"alice": FILE, "bob": FILE},
//                   "iceServers": {"alice": [...], "bob": [...]}, "policy": "all", "seconds": 12, "loses": [...], "change": ...}'
//
// `stops`: "unanswered", bob takes the offer and makes no answer; "answer-lost", alice never gets it.
// `crossed`: both offer, and each takes the other's offer for an answer.
// `spoils`: candidates come with a media line that isn't there.
// `cut` is a command that breaks the network when the call is connected.
// `loses` names what the signalling loses: "alice", "bob" (candidates of that side). `change` names what an application does to
// the descriptions on their way: see CHANGES. Prints the states at the end; the descriptions go beside the dumps.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";

const order = JSON.parse(process.argv[2]);
const { chromium } = createRequire(`${order.modules}/`)("playwright-core");
const PAGE = "https://call.example/";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const CHANGES = {
  fingerprint: (sdp) => sdp.replace(/(a=fingerprint:sha-256 )(..)/g, (_, name, byte) => `${name}${byte === "00" ? "01" : "00"}`),
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function open(name) {
  const browser = await chromium.launch({ executablePath: order.chromiums[name], headless: true, args: FLAGS });
  const context = await browser.newContext({ acceptDownloads: true });
  const internals = await context.newPage();
  await internals.goto("chrome://webrtc-internals");
  const page = await context.newPage();
  await page.route(PAGE, (route) => route.fulfill({ contentType: "text/html", body: "<title>call</title>" }));
  await page.goto(PAGE);
  if (order.camera) await page.evaluate(() => navigator.mediaDevices.getUserMedia({ audio: true }).then((stream) => { globalThis.stream = stream; }));
  return { name, browser, internals, page };
}

async function connect(side, other) {
  const spoilt = (candidate) => (order.spoils && candidate ? { ...candidate, sdpMid: "nine", sdpMLineIndex: 9 } : candidate);
  const lost = (order.loses ?? []).includes(side.name);
  await side.page.exposeFunction("signal", (candidate) => (lost ? undefined : other.page.evaluate((each) => globalThis.take(each), spoilt(candidate))));
  await side.page.evaluate(([iceServers, iceTransportPolicy]) => {
    const pc = new RTCPeerConnection({ iceServers, iceTransportPolicy });
    const early = [];
    globalThis.pc = pc;
    globalThis.errors = [];
    pc.onicecandidate = ({ candidate }) => globalThis.signal(candidate ? candidate.toJSON() : null);
    pc.onicecandidateerror = ({ url, errorCode, errorText }) => globalThis.errors.push(`${url} ${errorCode} ${errorText}`);
    const add = (candidate) => pc.addIceCandidate(candidate ?? undefined).catch(() => {});
    globalThis.take = (candidate) => (pc.remoteDescription ? add(candidate) : early.push(candidate));
    globalThis.early = () => Promise.all(early.splice(0).map(add));
    if (globalThis.stream) for (const track of globalThis.stream.getTracks()) pc.addTrack(track, globalThis.stream);
  }, [order.iceServers[side.name], order.policy ?? "all"]);
}

const offered = (side) => side.page.evaluate(async () => {
  if (!globalThis.stream) globalThis.pc.createDataChannel("data");
  await globalThis.pc.setLocalDescription();
  return globalThis.pc.localDescription.toJSON();
});
const taken = (side, given) => side.page.evaluate(async (description) => {
  await globalThis.pc.setRemoteDescription(description);
  await globalThis.early();
}, given);

async function cross(alice, bob) {
  const [first, second] = [await offered(alice), await offered(bob)];
  const answer = ({ sdp }, setup) => ({ type: "answer", sdp: sdp.replace("a=setup:actpass", `a=setup:${setup}`) });
  await taken(alice, answer(second, "active"));
  await taken(bob, answer(first, "passive"));
}

async function negotiate(alice, bob) {
  if (order.crossed) { await cross(alice, bob); return; }
  const change = (description) => ({ ...description, sdp: (CHANGES[order.change] ?? ((sdp) => sdp))(description.sdp) });
  const offer = await offered(alice);
  if (order.stops === "unanswered") { await taken(bob, change(offer)); return; }
  const answer = await bob.page.evaluate(async (given) => {
    await globalThis.pc.setRemoteDescription(given);
    await globalThis.early();
    await globalThis.pc.setLocalDescription();
    return globalThis.pc.localDescription.toJSON();
  }, change(offer));
  if (order.stops !== "answer-lost") await taken(alice, change(answer));
}

const state = (side) => side.page.evaluate(() => ({ ice: globalThis.pc.iceConnectionState, connection: globalThis.pc.connectionState, gathering: globalThis.pc.iceGatheringState, errors: globalThis.errors,
  description: (globalThis.pc.localDescription ?? globalThis.pc.remoteDescription).toJSON() }));

async function settled(sides) {
  const deadline = Date.now() + order.seconds * 1000;
  let cut = order.cut;
  for (;;) {
    const states = await Promise.all(sides.map(state));
    if (states.every(({ connection, gathering }) => connection === "failed" && gathering === "complete") || Date.now() > deadline) return states;
    if (cut && states.every(({ connection }) => connection === "connected")) {
      await pause(3000);
      spawnSync(cut[0], cut.slice(1));
      cut = undefined;
    }
    if (!order.cut && states.every(({ connection }) => connection === "connected") && Date.now() > deadline - order.seconds * 1000 + 4000) return states;
    await pause(200);
  }
}

async function dump(side) {
  const saved = side.internals.waitForEvent("download");
  await side.internals.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    [...document.querySelectorAll("button")].find((button) => /dump/i.test(button.textContent + button.id) && !/audio|event|diagnostic/i.test(button.textContent)).click();
  });
  await (await saved).saveAs(order.out[side.name]);
}

async function run() {
  const sides = await Promise.all(["alice", "bob"].map(open));
  try {
    const [alice, bob] = sides;
    await connect(alice, bob);
    await connect(bob, alice);
    await negotiate(alice, bob);
    const states = await settled(sides);
    await pause(1500);
    for (const [index, side] of sides.entries()) {
      await dump(side);
      writeFileSync(`${order.out[side.name]}.description`, JSON.stringify(states[index].description));
    }
    process.stdout.write(`${JSON.stringify(states.map(({ description, ...rest }) => rest))}\n`);
  } finally {
    await Promise.all(sides.map(({ browser }) => browser.close()));
  }
}

await run().catch((error) => { process.stdout.write(`${error.stack}\n`); process.exit(1); });
