// Drives Chromium by playwright-core: one JSON document a line in, {"id", "method", "arguments"}, and one a line out.
//
//   node browser.mjs MODULES CHROMIUM

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [modules, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const WITHIN = { timeout: 60000 };
const browser = await chromium.launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-gpu"], ...WITHIN });

let page;
const complaints = [];

const methods = {
  async open({ url, width, height, dark }) {
    await page?.context().close();
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light" });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    page = await context.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(url, WITHIN);
    await page.waitForSelector("body[data-ready]", WITHIN);
  },
  click: ({ selector }) => page.click(selector, WITHIN),
  fill: ({ selector, value }) => page.fill(selector, value, WITHIN),
  choose: ({ selector, value }) => page.selectOption(selector, value, WITHIN),
  wait: ({ selector }) => page.waitForSelector(selector, WITHIN).then(() => null),
  text: ({ selector }) => page.innerText(selector, WITHIN),
  evaluate: ({ script }) => page.evaluate(script),
  shot: ({ file }) => page.screenshot({ path: file, fullPage: true, ...WITHIN }).then(() => null),
  complaints: () => complaints.splice(0),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, arguments: given } = JSON.parse(line);
  const answer = await Promise.resolve()
    .then(() => methods[method](given))
    .then((value) => ({ id, value: value ?? null }))
    .catch((error) => ({ id, error: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
