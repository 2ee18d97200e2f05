// The engine in a page: the same numbers as the program's. PLAYGROUND is a page that playground/build made; without one nothing is
// tried. PAGES and CHROMIUM as in page.test.mjs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";
import { chromium } from "playwright-core";
import { listened } from "./listened.mjs";

const { PLAYGROUND, PAGES, CHROMIUM } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const skip = PLAYGROUND ? false : "PLAYGROUND names no page";

let browser;
before(async () => {
  if (PLAYGROUND) browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});
after(() => browser?.close());

async function open(t, { hash = "", ...options } = {}) {
  const { page, heard } = await listened(browser, t, options);
  await page.goto(pathToFileURL(PLAYGROUND).href + hash);
  await page.waitForSelector("body[data-ready]", { timeout: 20_000 });
  return { page, heard };
}

async function run(page, replications) {
  await page.locator("#replications").fill(String(replications));
  await page.locator("#run").click();
  await page.waitForSelector("body[data-fingerprint]", { timeout: 180_000 });
  return page.evaluate(() => document.body.dataset.fingerprint);
}

const said = (page, text) => page.waitForFunction((text) => document.getElementById("state").textContent.includes(text), text);

for (const [name, example] of [["gray-failure", "gray-failure"], ["cache-aside-shop", "cache-aside-shop"], ["dynamodb-2015", "incidents/dynamodb-2015"]]) {
  test(`${name}: the program's numbers, and its page`, { skip, timeout: 200_000 }, async (t) => {
    const { page, heard } = await open(t);
    await page.locator("#examples").selectOption(example);
    const folder = path.join(PAGES, name, "latest");
    const results = JSON.parse(readFileSync(path.join(folder, "results.json"), "utf8"));
    assert.equal(await run(page, results.replications.length), results.fingerprint);
    assert.ok((await page.locator("#report").getAttribute("srcdoc")) === readFileSync(path.join(folder, "report.html"), "utf8"), "another page");
    const report = page.frameLocator("#report");
    await report.locator("body[data-ready]").waitFor();
    assert.ok((await report.locator("#charts canvas").count()) > 4);
    await report.locator("h1").click();
    await page.keyboard.press("ArrowRight");
    assert.ok(Number(await report.locator("body").getAttribute("data-time")) > 0, "keys move it");
    assert.deepEqual(heard.said, []);
    // The page and what it made itself; nothing of any other place.
    assert.deepEqual(heard.asked.filter((url) => !/^(file|blob|data|about):/.test(url)), []);
  });
}

const TEXT = 'windtunnel: 1\nname: a\nduration: 5s\nclients:\n  c: {arrivals: constant(1/s), to: b}\nnodes:\n  b: {external: {latency: 1ms}}\n';

test("every mistake is told at its line and column, and leads there", { skip }, async (t) => {
  const { page } = await open(t);
  await page.locator("#scenario").fill(TEXT.replace("to: b", "to: ü, arivals: 3").replace("latency: 1ms", "latency: 1parsec"));
  await page.waitForFunction(() => document.querySelectorAll("#problems .error").length === 3);
  const told = await page.locator("#problems li").allInnerTexts();
  assert.deepEqual(told.map((one) => one.split(/\s+/, 1)[0]).sort(), ["5:36", "5:39", "7:27"]);
  await page.getByRole("button", { name: "5:39" }).click();
  assert.equal(await page.evaluate(() => {
    const { value, selectionStart, selectionEnd } = document.activeElement;
    return value.slice(selectionStart, selectionEnd);
  }), "arivals");
  await page.locator("#run").click();
  await said(page, "it has mistakes");
  assert.equal(await page.locator("#report").isVisible(), false);
  await page.locator("#scenario").fill(TEXT);
  await page.waitForFunction(() => document.querySelectorAll("#problems li").length === 0);
});

test("files are refused by their names", { skip }, async (t) => {
  const { page } = await open(t);
  await page.locator("#scenario").fill(TEXT.replace("latency: 1ms", "latency: empirical(file=data/x.csv column=t unit=ms)"));
  await page.locator("#problems .error").waitFor();
  assert.match(await page.locator("#problems").innerText(), /7:\d+\s+\S+\s+`data\/x.csv` is a file, and the playground has none/);
});

const LONG = (duration) => `windtunnel: 1\nname: long\nduration: ${duration}\nclients: {c: {arrivals: poisson(500/s), to: a}}\nnodes: {a: {service: {cores: 1, work: 1ms}}}\n`;

test("a run that takes long can be stopped, and the next one goes", { skip }, async (t) => {
  const { page } = await open(t);
  await page.locator("#scenario").fill(LONG("400000s"));
  await page.locator("#run").click();
  await page.waitForTimeout(300);
  assert.equal(await page.locator("#run").innerText(), "Stop");
  await page.locator("#run").click();
  await page.waitForSelector("body[data-ready]");
  await said(page, "stopped");
  assert.equal(await page.evaluate(() => document.body.dataset.fingerprint), undefined);
  await page.locator("#scenario").fill(LONG("10s"));
  assert.match(await run(page, 1), /^[0-9a-f]{16}$/);
});

test("more memory than there is ends the run, and the next one goes", { skip, timeout: 120_000 }, async (t) => {
  const { page } = await open(t);
  // A line that only grows.
  await page.locator("#scenario").fill(LONG("1000s").replace("poisson(500/s)", "poisson(100000/s)"));
  await page.locator("#run").click();
  await page.waitForFunction(() => document.getElementById("state").textContent.includes("more memory than the page has"), null, { timeout: 100_000 });
  await page.waitForSelector("body[data-ready]");
  await page.locator("#scenario").fill(LONG("10s"));
  assert.match(await run(page, 1), /^[0-9a-f]{16}$/);
});

test("a link carries the design", { skip }, async (t) => {
  const { page } = await open(t);
  const text = TEXT.replace("name: a", "name: größer 🌬");
  const before = await page.evaluate(() => document.getElementById("share").hash);
  await page.locator("#scenario").fill(text);
  await page.waitForFunction((before) => document.getElementById("share").hash !== before, before);
  const hash = await page.evaluate(() => document.getElementById("share").hash);
  const { page: other } = await open(t, { hash });
  assert.equal(await other.locator("#scenario").inputValue(), text);
  const { page: broken } = await open(t, { hash: "#d=AAAA" });
  await said(broken, "holds no design");
  assert.match(await broken.locator("#scenario").inputValue(), /name: gray-failure/);
});

for (const [colorScheme, width] of [["light", 1280], ["dark", 1280], ["light", 480]]) {
  test(`${colorScheme}, ${width} wide: no serious finding of axe`, { skip }, async (t) => {
    const { page } = await open(t, { colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
    await page.locator("#scenario").fill(TEXT.replace("to: b", "to: b, arivals: 3"));
    await page.locator("#problems .error").waitFor();
    await page.locator("#scenario").fill(TEXT);
    await run(page, 1);
    await page.locator("#scenario").fill(TEXT.replace("to: b", "to: b, arivals: 3"));
    await page.locator("#problems .error").waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, "the page itself never scrolls sideways");
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run({ iframes: false }));
    const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    assert.deepEqual(grave.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((n) => `${n.html} (${n.failureSummary})`).join(" | ")}`), []);
  });
}
