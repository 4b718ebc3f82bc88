// Proves HTML reports in a real browser: node check.mjs REPORT.html...
//
// One line per check, `N passed, N failed` last, exit 1 on any failure. Only the page itself may be fetched; what it asks
// for beyond that fails a check. CHROMIUM names the browser, JAVA_HOME or PATH a Java runtime for the Nu checker.
import { execFile } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

// Dependencies live outside of the tree: NODE_MODULES names their folder.
const require = createRequire(resolve(process.env.NODE_MODULES ?? "node_modules", "x.js"));
const { chromium } = require("playwright-core");
const { HtmlValidate, StaticConfigLoader } = require("html-validate");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
// The PDF's text alone is read, so that what draws it need not be there, nor be missed aloud.
for (const name of ["DOMMatrix", "ImageData", "Path2D"]) globalThis[name] ??= class {};
const { log, warn } = console;
console.log = console.warn = () => {};
const pdfjs = await import(pathToFileURL(require.resolve("pdfjs-dist/legacy/build/pdf.mjs")));
Object.assign(console, { log, warn });
const run = promisify(execFile);

const DOM = 6_000, FILTER_MS = 150, USABLE_MS = 2_000, SLOW_DOWN = 4, SHELL = 60 * 1024, FILE = 1_000_000, GZIP = 250_000;
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const BROWSERS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

let passed = 0, failed = 0;
const check = (file, what, problems) => {
  const ok = problems.length === 0;
  if (ok) passed += 1; else failed += 1;
  console.log(`${ok ? "ok  " : "FAIL"} ${basename(file)}: ${what}`);
  for (const problem of problems.slice(0, 12)) console.log(`       ${problem}`);
  if (problems.length > 12) console.log(`       and ${problems.length - 12} more`);
};

const open = async (browser, file, options = {}, hash = "") => {
  const { listen = true, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...rest });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  page.said = [];
  const url = pathToFileURL(resolve(file)).href;
  if (listen) {
    page.on("console", (message) => page.said.push(`console ${message.type()}: ${message.text().slice(0, 300)}`));
    page.on("pageerror", (error) => page.said.push(`error: ${String(error).slice(0, 300)}`));
    page.on("request", (request) => {
      if (request.url().split("#")[0] !== url && request.url() !== "data:," && !request.url().startsWith("blob:")) page.said.push(`request: ${request.url().slice(0, 300)}`);
    });
  }
  page.on("dialog", (dialog) => { page.said.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(url + hash);
  return page;
};

// The markup, by two independent checkers.
const markup = async (file, text) => {
  const loader = new StaticConfigLoader({ extends: ["html-validate:recommended"], rules: { "long-title": "off", "no-inline-style": "error" } });
  const report = await new HtmlValidate(loader).validateString(text, basename(file));
  check(file, "html-validate", report.results.flatMap((result) => result.messages.map((m) => `${m.line}:${m.column} ${m.ruleId} ${m.message.slice(0, 200)}`)));

  const java = process.env.JAVA_HOME ? `${process.env.JAVA_HOME}/bin/java` : "java";
  const jar = resolve(require.resolve("vnu-jar/package.json"), "../build/dist/vnu.jar");
  const usable = await run(java, ["-version"]).then(() => true, () => false);
  if (!usable) return console.log(`skip ${basename(file)}: Nu checker (no Java runtime)`);
  const nu = await run(java, ["-Xss8m", "-jar", jar, "--format", "json", "--stdout", "--exit-zero-always", resolve(file)], { maxBuffer: 1 << 26 });
  const messages = JSON.parse(nu.stdout || '{"messages":[]}').messages;
  check(file, "Nu checker", messages.filter((m) => m.type !== "info").map((m) => `${m.lastLine}: ${m.message}`));
};

// What must not be in the page, whatever the data were.
const content = async (page, file, size, packed) => {
  const found = await page.evaluate(() => {
    const problems = [];
    for (const element of document.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        if (name.startsWith("on")) problems.push(`<${element.localName} ${name}>`);
        if (name === "style") problems.push(`<${element.localName} style>`);
        if (/^(href|src|action|formaction|xlink:href|data|poster|srcset)$/.test(name) && !value.startsWith("#") && value !== "data:,") problems.push(`<${element.localName} ${name}=${value.slice(0, 80)}>`);
      }
    }
    for (const link of document.querySelectorAll("a[href^='#']")) {
      if (!document.getElementById(decodeURIComponent(link.hash.slice(1)))) problems.push(`link to nothing: ${link.hash}`);
    }
    const scripts = document.querySelectorAll("script:not([type='application/json'])").length, styles = document.querySelectorAll("style").length;
    if (scripts !== 1 || styles !== 1) problems.push(`${scripts} scripts, ${styles} style sheets`);
    for (const name of ["img", "iframe", "object", "embed", "base"]) if (document.querySelector(name)) problems.push(`<${name}>`);
    const policy = document.querySelector("meta[http-equiv=Content-Security-Policy]")?.content ?? "";
    if (!policy.startsWith("default-src 'none'; ")) problems.push("no policy");
    // Nothing that hides or turns text may reach the page as it is.
    const unseen = /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/.exec(document.documentElement.textContent);
    if (unseen) problems.push(`unseen character ${unseen[0].codePointAt(0).toString(16)}`);
    const shell = [...document.querySelectorAll("style, script:not([type])")].reduce((sum, element) => sum + new Blob([element.textContent]).size, 0);
    return { problems, shell, elements: document.querySelectorAll("*").length, controls: document.querySelectorAll("details.c").length };
  });
  check(file, "no inline handler, style, foreign address or unseen character", found.problems);
  check(file, `style and script ${found.shell} bytes`, found.shell > SHELL ? [`more than ${SHELL}`] : []);
  check(file, `${found.elements} elements, ${found.controls} controls`, found.elements > DOM ? [`more than ${DOM} elements`] : []);
  check(file, `${size} bytes, ${packed} with gzip`, size > FILE || packed > GZIP ? [`more than ${FILE}, or ${GZIP} with gzip`] : []);
};

const accessible = async (page, file, what) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((tags) => axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] }), TAGS);
  check(file, `axe, ${what}`, violations.map((v) => `${v.id} (${v.impact}) ${v.nodes.length} times: ${v.nodes[0].target.join(" ")} ${(v.nodes[0].any[0]?.message ?? "").slice(0, 200)}`));
};

// Without JavaScript and on paper every control is there.
const paper = async (browser, file, format) => {
  const page = await open(browser, file, { javaScriptEnabled: false, listen: false });
  const names = await page.locator("details.c > summary").evaluateAll((all) => all.map((summary) => [...summary.querySelectorAll(".id, h3, h4")].map((element) => element.textContent)));
  // Drawers are open on paper; those of what passes are short.
  const reasons = await page.locator("details.c:not(.pass, .na) .why").evaluateAll((all) => all.map((why) => why.textContent.slice(0, 200)));
  const pdf = await pdfjs.getDocument({ data: new Uint8Array(await page.pdf({ format, preferCSSPageSize: true })), verbosity: 0 }).promise;
  let text = "";
  for (let number = 1; number <= pdf.numPages; number += 1) {
    text += (await (await pdf.getPage(number)).getTextContent()).items.map((item) => item.str ?? "").join("");
  }
  // Lines break anywhere, right-to-left words come in the order of their glyphs, and so may what stands beside an escape.
  const plain = (string) => string.replace(/[^!-~]/g, "");
  text = plain(text);
  const printed = (name) => plain(name).split(/\\u\{[0-9a-f]+\}/).every((piece) => text.includes(piece));
  check(file, `without JavaScript, ${format}: ${pdf.numPages} pages hold every control`, [...names.flat(), ...reasons].filter((name) => !printed(name)).map((name) => `missing: ${name.slice(0, 100)}`));
  await page.context().close();
};

// Where nodes are many: one is found by a part of its name, its verdicts are shown, and sets open to all their names.
const nodes = async (browser, file) => {
  const page = await open(browser, file);
  const problems = [];
  if (await page.locator("#node").count() > 0) {
    const data = JSON.parse(await page.locator("#data").textContent());
    const total = data.names.split("\n").length;
    await page.locator("#node").fill("o");
    if (!/, \d+ nodes match$/.test(await page.locator("#shown").textContent())) problems.push("it does not say how many names match");
    if (await page.locator("#names option").count() > 20) problems.push("more than 20 names are offered");
    const cell = page.locator("td.m[data-set], td.n[data-set]").first();
    await cell.evaluate((element) => { element.closest("details").open = true; });
    await cell.locator("details").evaluate((element) => { element.open = true; });
    await cell.locator("pre").waitFor();
    const named = (await cell.locator("pre").textContent()).trim().split("\n");
    const number = Number((/^([\d,]+) nodes/.exec(await cell.textContent())?.[1] ?? "0").replaceAll(",", ""));
    if (named.length !== Math.min(number, 200) || number > total) problems.push(`${named.length} of ${number} names are drawn`);
    await page.locator("#node").fill(named[0]);
    if (!(await page.locator("#shown").textContent()).endsWith(` for ${named[0]}`)) problems.push("a name does not choose its node");
    if (!page.url().includes("node=")) problems.push("the fragment does not tell the node");
    // The row where the set stands tells the verdict of that group.
    const row = page.locator("details.c", { has: page.locator("td.n[data-set]") }).first();
    const told = await row.evaluate((element) => [element.querySelector("summary .v").textContent, element.querySelector("summary .at").textContent]);
    const before = await row.evaluate((element) => element.classList[1]);
    if (told[1].startsWith("overall: ") === (told[0] === before)) problems.push(`a row tells ${told} at a node`);
    await page.locator("#reset").click();
    if (await row.locator("summary .at").textContent() === "") problems.push("a row does not tell what it told before");
    check(file, `${total} nodes: found by name, their sets by opening`, problems.concat(page.said));
  }
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#csv").click()]);
  const lines = readFileSync(await download.path(), "utf8").split("\r\n");
  const rows = await page.locator("details.c:visible").count();
  check(file, "what is shown as CSV", [lines.length !== rows + 1 ? `${lines.length} lines for ${rows} rows` : "", ...page.said].filter(Boolean));
  await page.context().close();
};

// The filters: what they show, how fast, and their state in the fragment.
const filters = async (browser, file) => {
  let page = await open(browser, file);
  const problems = [];
  const shown = () => page.locator("#shown").textContent();
  const expect = async (what, value) => { const got = await shown(); if (got !== value) problems.push(`${what}: ${got} instead of ${value}`); };
  const rows = await page.locator("details.c").evaluateAll((all) => all.map((row) => ({ verdict: row.classList[1], id: row.querySelector(".id").textContent, anchor: row.querySelector(".drawer").id, severity: row.dataset.s })));
  const total = rows.length;
  await expect("at first", `${total} of ${total} shown`);
  if (total > 0) {
    const verdict = rows[0].verdict, alike = rows.filter((row) => row.verdict === verdict).length;
    await page.locator(`#tools input[value=${verdict}]`).uncheck();
    await expect(`without ${verdict}`, `${total - alike} of ${total} shown`);
    if (!page.url().includes("#show=")) problems.push("the fragment does not tell the verdicts");
    const visible = await page.locator("details.c:visible").count();
    if (visible !== total - alike) problems.push(`${visible} rows are visible`);
    // A link to a control that the filter hides shows it.
    await page.evaluate((anchor) => { location.hash = anchor; }, rows[0].anchor);
    await page.waitForFunction((anchor) => document.getElementById(anchor).closest("details").open, rows[0].anchor, { timeout: 5_000 }).catch(() => problems.push("a link does not open its control"));
    if (!(await page.locator(`[id="${rows[0].anchor}"]`).isVisible())) problems.push("a link does not show its control");
    if (await page.locator("#reset").isVisible()) await page.locator("#reset").click();
    await page.locator("#severity").selectOption("high");
    await expect("severity", `${rows.filter((row) => ["high", "critical"].includes(row.severity)).length} of ${total} shown`);
    await page.locator("#q").fill("no such control anywhere");
    await expect("a word that nothing has", `0 of ${total} shown`);
    if (!(await page.locator("#nothing").isVisible())) problems.push("nothing is said where nothing matches");
    await page.locator("#reset").click();
    await expect("after reset", `${total} of ${total} shown`);
    if (page.url().includes("#")) problems.push("the fragment is not empty after reset");
    problems.push(...page.said);
    await page.context().close();
    page = await open(browser, file, {}, `#show=${verdict}`);
    await expect("from the fragment", `${alike} of ${total} shown`);
  }
  if ((await page.locator("#shown").evaluate((element) => element.localName === "output" || element.role === "status")) !== true) problems.push("the count is no status");
  check(file, "filters", problems.concat(page.said));
  await page.context().close();

  await nodes(browser, file);

  // Noise only adds: the best of three rounds is what the page needs.
  let best = Infinity, usable = Infinity;
  for (let round = 0; round < 3; round += 1) {
    page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
    const session = await page.context().newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: SLOW_DOWN });
    const begun = Date.now();
    await page.goto(pathToFileURL(resolve(file)).href);
    await page.evaluate(() => document.body.getBoundingClientRect());
    usable = Math.min(usable, Date.now() - begun);
    const worst = await page.evaluate(() => {
      const time = (change) => { const start = performance.now(); change(); document.body.getBoundingClientRect(); return performance.now() - start; };
      const find = document.getElementById("q"), chip = document.querySelector("#tools input[value=pass]"), severity = document.getElementById("severity");
      const type = (word) => () => { find.value = word; find.dispatchEvent(new Event("input", { bubbles: true })); };
      const pick = () => { severity.value = "high"; severity.dispatchEvent(new Event("change", { bubbles: true })); };
      const node = document.getElementById("node"), name = (word) => () => { if (node) { node.value = word; node.dispatchEvent(new Event("input", { bubbles: true })); } };
      const first = document.querySelector("td[data-set]")?.textContent.split("such as ").pop().split(/,|all names/)[0] ?? "";
      return Math.max(...[name("1"), name(first), name(""), type("etcd"), type(""), () => chip.click(), () => chip.click(), pick, type("kubelet 0600")].map(time));
    });
    best = Math.min(best, worst);
    await page.context().close();
  }
  check(file, `usable after ${usable} ms at ${SLOW_DOWN}x slow-down`, usable > USABLE_MS ? [`more than ${USABLE_MS} ms`] : []);
  check(file, `slowest filter ${best.toFixed(0)} ms at ${SLOW_DOWN}x slow-down`, best > FILTER_MS ? [`more than ${FILTER_MS} ms`] : []);
};

const files = process.argv.slice(2);
const executablePath = BROWSERS.find((path) => path && existsSync(path));
if (files.length === 0 || !executablePath) {
  console.error(files.length === 0 ? "usage: check.mjs REPORT.html..." : "no Chromium: set CHROMIUM");
  process.exit(2);
}
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const prove = async (file) => {
  await markup(file, readFileSync(file, "utf8"));
  const page = await open(browser, file);
  await content(page, file, statSync(file).size, gzipSync(readFileSync(file)).length);
  check(file, "no request, no console message", page.said);
  await accessible(page, file, "light");
  await page.evaluate(() => { for (const drawer of document.querySelectorAll("details")) drawer.open = true; });
  await accessible(page, file, "light, everything open");
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible(page, file, "dark, everything open");
  await page.setViewportSize({ width: 320, height: 640 });
  const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
  check(file, "reflow at 320 px", width > 320 ? [`${width} px wide`] : []);
  await accessible(page, file, "dark, 320 px, everything open");
  check(file, "no message from first to last", page.said);
  await page.context().close();
  await paper(browser, file, "A4");
  await paper(browser, file, "Letter");
  await filters(browser, file);
};
for (const file of files) {
  await prove(file).catch((error) => check(file, "runs to its end", [String(error).split("\n")[0]]));
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
