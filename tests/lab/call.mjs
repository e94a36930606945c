// Makes the call of call.html in headless Chromium, driven by playwright-core, and prints its report.
//
//   node call.mjs '{"modules": FOLDER, "chromium": PROGRAM, "page": URL, "screenshot": FILE,
//                   "iceServers": [...], "seconds": 10, "flags": [...]}'
//
// Prints one JSON document: {"browser": VERSION, "report": ...} or {"error": "..."}. After that the page has hung up, but the
// browser stays until standard input ends, so that it can say to the relay what a page that hung up says.

import { once } from "node:events";
import { createRequire } from "node:module";

const order = JSON.parse(process.argv[2]);
const { chromium } = createRequire(`${order.modules}/`)("playwright-core");

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
];

async function call(browser) {
  const page = await browser.newPage();
  await page.goto(order.page);
  try {
    return await page.evaluate(([servers, seconds]) => call(servers, seconds), [order.iceServers, order.seconds]);
  } finally {
    await page.screenshot({ path: order.screenshot, fullPage: true });
    await page.evaluate(() => globalThis.hangUp?.());
  }
}

const print = (document) => process.stdout.write(`${JSON.stringify(document)}\n`);

async function run() {
  const browser = await chromium.launch({ executablePath: order.chromium, headless: true, args: [...FLAGS, ...(order.flags ?? [])] });
  try {
    print({ browser: browser.version(), report: await call(browser) });
    await once(process.stdin.resume(), "end");
  } finally {
    await browser.close();
  }
}

await run().catch((error) => print({ error: String(error) }));
