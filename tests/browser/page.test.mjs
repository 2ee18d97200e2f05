// What report.html does in a real browser: offline, by keys, by pointer, without scripts, in print.
// PAGES is a folder with the result folders of the scenarios below, CHROMIUM the browser, README_PICTURE what the README shows of
// it (written anew if UPDATE_DOCS is set).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";
import { chromium } from "playwright-core";
import { listened } from "./listened.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SCENARIOS = ["gray-failure", "dynamodb-2015", "cache-aside-shop", "hostile-texts"];
/** From asking for it until one can use it, ms. */
const READY = 2500;

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
});
after(() => browser.close());

function address(scenario, hash = "") {
  const file = path.join(process.env.PAGES, scenario, "latest", "report.html");
  return pathToFileURL(file).href + hash;
}

/** A page that is ready, and what it said and asked for. */
async function open(t, scenario, { hash = "", ...options } = {}) {
  const { page, heard } = await listened(browser, t, options);
  const begun = performance.now();
  await page.goto(address(scenario, hash));
  if (options.javaScriptEnabled !== false) {
    await page.waitForSelector("body[data-ready]", { timeout: READY });
  }
  heard.took = performance.now() - begun;
  return { page, heard };
}

const timeOf = (page) => page.evaluate(() => Number(document.body.dataset.time));

async function press(page, key) {
  await page.keyboard.press(key);
  return timeOf(page);
}

/** The data the page was given. */
const given = (page) => page.evaluate(() => JSON.parse(document.getElementById("data").textContent));

const cell = (page, node, instance) =>
  page.evaluate(([node, instance]) => {
    const group = [...document.querySelectorAll("[data-node]")].find((g) => g.dataset.node === node);
    const found = group.querySelector(`[data-instance="${instance}"]`);
    const level = found.querySelector(".level");
    return { classes: [...found.classList], level: Number(level.getAttribute("height")), title: found.querySelector("title").textContent };
  }, [node, instance]);

for (const scenario of SCENARIOS) {
  test(`${scenario}: one request, no word, ready in time, and still so after all keys`, async (t) => {
    const { page, heard } = await open(t, scenario);
    assert.ok(heard.took < READY, `${heard.took} ms`);
    for (const key of ["n", "n", "p", "ArrowRight", "ArrowLeft", "End", "Home", " ", " "]) await press(page, key);
    assert.deepEqual(heard.said, []);
    assert.equal(heard.asked.length, 1);
    assert.equal(await page.locator("#replay .live").isVisible(), true);
    assert.equal(await page.locator(".still:visible").count(), 0);
    const { shown } = await given(page);
    const panels = shown.charts.flatMap((chart) => chart.panels).length;
    assert.equal(await page.locator("#charts canvas").count(), panels);
  });

  for (const [colorScheme, width] of [["light", 1280], ["dark", 1280], ["light", 480]]) {
    test(`${scenario}, ${colorScheme}, ${width} wide: no serious finding of axe`, async (t) => {
      const viewport = { width, height: 900 };
      const { page } = await open(t, scenario, { colorScheme, viewport, bypassCSP: true, hash: "#t=66" });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, "the page itself never scrolls sideways");
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => window.axe.run());
      const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
      const told = grave.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((n) => `${n.html} (${n.failureSummary})`).join(" | ")}`);
      assert.deepEqual(told, []);
    });
  }

  test(`${scenario}: all of it is there without scripts, and in print`, async (t) => {
    const { page: still } = await open(t, scenario, { javaScriptEnabled: false });
    const { page: printed } = await open(t, scenario);
    await printed.emulateMedia({ media: "print" });
    for (const page of [still, printed]) {
      assert.equal(await page.locator(".live:visible").count(), 0);
      assert.equal(await page.locator("figure.still:visible svg").first().isVisible(), true);
      assert.ok((await page.locator("figure[role=img]:visible").count()) >= 5, "the drawings");
      assert.ok((await page.locator("table:visible").count()) >= 3, "the tables");
      assert.ok((await page.locator("#verdict").innerText()).length > 20);
    }
    const pdf = await printed.pdf();
    assert.ok(pdf.length > 20_000, `${pdf.length}`);
  });
}

test("every key goes where it says", async (t) => {
  const { page } = await open(t, "gray-failure");
  const { starts, events, duration } = await given(page);
  const instants = [...new Set(events.map(([at]) => at))].sort((a, b) => a - b);
  assert.equal(await timeOf(page), 0);
  assert.equal(await press(page, "ArrowRight"), starts[1]);
  assert.equal(await press(page, "ArrowRight"), starts[2]);
  assert.equal(await press(page, "ArrowLeft"), starts[1]);
  for (const at of instants) assert.equal(await press(page, "n"), at);
  assert.equal(await press(page, "n"), instants.at(-1), "there is no further one");
  for (const at of instants.slice(0, -1).reverse()) assert.equal(await press(page, "p"), at);
  assert.equal(await press(page, "End"), starts.at(-1));
  assert.equal(await press(page, "ArrowRight"), starts.at(-1));
  assert.equal(await press(page, "Home"), 0);
  assert.equal(await press(page, "ArrowLeft"), 0);
  assert.equal(await page.evaluate(() => location.hash), "#t=0");
  // Playing, which any other key ends.
  await page.keyboard.press(" ");
  await page.waitForFunction(() => Number(document.body.dataset.time) > 1);
  assert.equal(await page.evaluate(() => document.body.dataset.playing), "true");
  await page.keyboard.press(" ");
  const paused = await timeOf(page);
  assert.ok(paused > 1 && paused < duration);
  await page.waitForTimeout(120);
  assert.equal(await timeOf(page), paused);
  // With a modifier it is the browser's key, on a list it chooses.
  await page.keyboard.press("Control+ArrowRight");
  await page.locator(".controls select").focus();
  await page.keyboard.press("n");
  assert.equal(await timeOf(page), paused);
});

test("links lead to their second", async (t) => {
  const { page } = await open(t, "gray-failure", { hash: "#t=66" });
  assert.equal(await timeOf(page), 66);
  assert.equal(await page.locator(".controls output").innerText(), "1m06s");
  assert.match(await page.locator("#now").innerText(), /fault sick begins/);
  const links = page.locator("#happened a");
  const { events, starts } = await given(page);
  assert.equal(await links.count(), events.length);
  for (let i = 0; i < events.length; i++) {
    await links.nth(i).click();
    assert.equal(await timeOf(page), events[i][0]);
    assert.equal(await page.evaluate(() => location.hash), `#t=${events[i][0]}`);
  }
  await page.evaluate(() => (location.hash = "#t=12.5"));
  await page.waitForFunction(() => document.body.dataset.time === "12.5");
  // What leads nowhere changes nothing.
  await page.evaluate(() => (location.hash = "#t=</script>"));
  assert.equal(await timeOf(page), 12.5);
  await page.locator("#scrub").fill("40");
  assert.equal(await timeOf(page), starts[40]);
  const lane = await page.locator(".lane").boundingBox();
  await page.mouse.click(lane.x + lane.width / 2, lane.y + 5);
  assert.ok(Math.abs((await timeOf(page)) - starts.at(-1) / 2) < 3);
});

test("a drag over one chart zooms all, a double click none", async (t) => {
  const { page } = await open(t, "cache-aside-shop");
  const charts = page.locator("#charts .u-over");
  const count = await charts.count();
  assert.ok(count >= 5);
  const range = () => page.evaluate(() => ["from", "to"].map((key) => Number(document.getElementById("charts").dataset[key])));
  const whole = await range();
  assert.equal(whole[0], 0);
  await charts.nth(1).scrollIntoViewIfNeeded();
  const box = await charts.nth(1).boundingBox();
  const y = box.y + box.height / 2;
  const before = await timeOf(page);
  await page.mouse.move(box.x + box.width * 0.25, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, y, { steps: 5 });
  await page.mouse.up();
  const [from, to] = await range();
  assert.ok(Math.abs(from / whole[1] - 0.25) < 0.02 && Math.abs(to / whole[1] - 0.5) < 0.02, `${from} ${to}`);
  assert.equal(await timeOf(page), before, "a drag goes nowhere");
  // The same instant stands at the same place of every chart.
  await page.evaluate((at) => (location.hash = `#t=${at}`), Math.round((from + to) / 2));
  await page.waitForFunction((at) => Number(document.body.dataset.time) === at, Math.round((from + to) / 2));
  const places = await page.evaluate(() => [...document.querySelectorAll("#charts .instant")].map((mark) => parseFloat(mark.style.left) / mark.parentElement.clientWidth));
  assert.equal(places.length, count);
  for (const at of places) assert.ok(Math.abs(at - 0.5) < 0.05 && Math.abs(at - places[0]) < 0.002, `${places}`);
  await page.mouse.dblclick(box.x + box.width / 2, y);
  assert.deepEqual(await range(), whole);
  await page.mouse.click(box.x + box.width * 0.75, y);
  assert.ok(Math.abs((await timeOf(page)) / whole[1] - 0.75) < 0.02);
});

test("the one that is struck looks otherwise as soon as its fault begins", async (t) => {
  const { page } = await open(t, "gray-failure", { hash: "#t=58" });
  const { faults } = await given(page);
  assert.equal(faults[0][0], 60);
  const calm = await cell(page, "api", 0);
  assert.deepEqual(calm.classes, ["cell"]);
  await page.evaluate(() => (location.hash = "#t=64"));
  await page.waitForFunction(() => document.body.dataset.time === "64");
  const sick = await cell(page, "api", 0);
  assert.deepEqual(sick.classes.sort(), ["cell", "struck", "waits"]);
  assert.ok(sick.level > calm.level * 1.5, `${sick.level} ${calm.level}`);
  assert.match(sick.title, /instance 0, busy .*wait, struck/);
  for (const well of [1, 2, 3]) {
    const other = await cell(page, "api", well);
    assert.deepEqual(other.classes, ["cell"], "a mean would hide which one it is");
  }
  const users = page.locator('[data-node="users"]');
  assert.ok(Number(await users.getAttribute("data-available")) < 0.9);
  await page.evaluate(() => (location.hash = "#t=250"));
  await page.waitForFunction(() => document.body.dataset.time === "250");
  assert.deepEqual((await cell(page, "api", 0)).classes, ["cell"]);
});

test("around a fault messages are seen on their way, and instances look by look", async (t) => {
  const { page } = await open(t, "gray-failure", { hash: "#t=60.52" });
  const { close, parts, calls } = await given(page);
  assert.equal(close.spans[0].from, 58);
  const messages = () => page.evaluate(() => Number(document.body.dataset.messages));
  /** Those that were sent by then and had not arrived. */
  const underWay = (at) => close.spans[0].routes.reduce((all, [, , , flat]) => {
    let sent = 0;
    for (let i = 0; i < flat.length; i += 2) {
      sent += flat[i];
      const from = 58 + sent / 10000;
      if (from <= at && at <= from + flat[i + 1] / 10000) all += 1;
    }
    return all;
  }, 0);
  assert.ok(underWay(60.52) > 2);
  assert.equal(await messages(), underWay(60.52));
  assert.equal(await page.locator("#picture .dots circle").count(), underWay(60.52));
  assert.ok((await page.locator("#picture .dots .call").count()) > 0 && (await page.locator("#picture .dots .answer").count()) > 0);
  // Each is on an arrow, between the boxes.
  const inside = await page.evaluate(() => {
    const picture = document.querySelector("#picture svg").getBoundingClientRect();
    return [...document.querySelectorAll(".dots circle")].every((dot) => {
      const { x, y, right, bottom } = dot.getBoundingClientRect();
      return x >= picture.x && right <= picture.right && y >= picture.y && bottom <= picture.bottom;
    });
  });
  assert.equal(inside, true);
  assert.ok(Math.abs((await press(page, "]")) - 60.55) < 1e-6);
  assert.equal(await messages(), underWay(60.55));
  assert.ok(Math.abs((await press(page, "[")) - 60.5) < 1e-6);
  // The queue of the sick one grows from look to look.
  const waiting = async () => Number(/([\d.]+) wait/.exec((await cell(page, "api", 0)).title)?.[1] ?? 0);
  const before = await waiting();
  for (let i = 0; i < 10; i++) await press(page, "]");
  assert.ok((await waiting()) > before + 5, `${before}`);
  // Away from faults none is known; back there leads a key.
  await page.evaluate(() => (location.hash = "#t=100"));
  await page.waitForFunction(() => document.body.dataset.time === "100");
  assert.equal(await messages(), 0);
  assert.equal(await page.locator("#picture .dots circle").count(), 0);
  assert.equal(await press(page, "]"), close.spans[1].from);
  // In slow motion a second takes fifty.
  await page.locator(".controls select").selectOption("1/50");
  await page.locator("#scrub").focus();
  await page.keyboard.press(" ");
  await page.waitForTimeout(500);
  await page.keyboard.press(" ");
  const passed = (await timeOf(page)) - close.spans[1].from;
  assert.ok(passed > 0.002 && passed < 0.06, `${passed}`);
  // Arrows are as wide as calls go that way.
  const rates = await page.evaluate(() => [...document.querySelectorAll("#picture [data-to]")].map((g) => [g.dataset.from, g.dataset.to, Number(g.dataset.rate)]));
  const window = await page.evaluate(() => Number(document.getElementById("scrub").value));
  assert.equal(rates.length, calls.length);
  for (const [from, to, rate] of rates) {
    const [, , all] = calls.find(([one, other]) => parts[one].name === from && parts[other].name === to);
    assert.equal(rate, Array.isArray(all) ? all[window] : all, `${from} to ${to}`);
    assert.ok(rate > 0);
  }
});

/** How far two pictures are from each other, in parts of all there is, as one sees them from afar. */
async function apart(page, one, other) {
  return page.evaluate(async (pictures) => {
    const fields = await Promise.all(pictures.map(async (bytes) => {
      const picture = await createImageBitmap(new Blob([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))]));
      const canvas = new OffscreenCanvas(64, 40);
      canvas.getContext("2d").drawImage(picture, 0, 0, 64, 40);
      return [...canvas.getContext("2d").getImageData(0, 0, 64, 40).data, picture.width, picture.height];
    }));
    const sizes = fields.map((field) => field.splice(-2).join("x"));
    const sum = fields[0].reduce((all, v, i) => all + Math.abs(v - fields[1][i]), 0);
    return { sizes, apart: sum / (255 * fields[0].length) };
  }, [one, other].map((bytes) => bytes.toString("base64")));
}

test("the README shows the page as it is", async (t) => {
  const { page } = await open(t, "gray-failure", { hash: "#t=66", viewport: { width: 1180, height: 1040 } });
  await page.locator("#replay").evaluate((section) => section.scrollIntoView());
  const now = await page.screenshot();
  if (process.env.UPDATE_DOCS) writeFileSync(process.env.README_PICTURE, now);
  const { page: blank } = await open(t, "hostile-texts");
  const shown = await apart(blank, now, readFileSync(process.env.README_PICTURE));
  assert.equal(shown.sizes[0], shown.sizes[1]);
  // Letters of another version of the browser are no other page.
  assert.ok(shown.apart < 0.01, `run UPDATE_DOCS=1 .ci/browser: ${shown.apart}`);
  await page.keyboard.press("Home");
  const other = await apart(blank, await page.screenshot(), now);
  assert.ok(other.apart > shown.apart, "another instant is another picture");
});

test("texts stay texts, and the policy holds", async (t) => {
  const { page, heard } = await open(t, "hostile-texts");
  const text = await page.locator("body").innerText();
  for (const payload of ["</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "' onload='alert(3)"]) {
    assert.ok(text.includes(payload), payload);
  }
  assert.equal(await page.locator("img").count(), 0);
  assert.equal(await page.locator("script").count(), 3);
  assert.deepEqual(heard.said, []);
  const refused = await page.evaluate(() => {
    try {
      document.getElementById("now").innerHTML = "<b>x</b>";
      return "taken";
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(refused, "TypeError");
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.append("window.ran = true");
    document.body.append(script);
    return window.ran === true;
  }).catch(() => false);
  assert.equal(ran, false);
});
