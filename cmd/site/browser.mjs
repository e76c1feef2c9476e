// Looks at pages in Chromium as readers have them: every width, light, dark and printed.
//
//     node browser.mjs CHROMIUM PAGE.html...
//
// Ends with 1 if a page is wider than the window, prints to the console, has a fault that
// axe-core calls serious, or has a slider that the keyboard does not move. playwright-core and
// axe-core are looked up in NODE_PATH.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(path.resolve(process.env.NODE_PATH ?? ".", "x.js"));
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");

const [browserPath, ...pages] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
const faults = [];
let looks = 0;
for (const file of pages) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, media] of [[320, "screen"], [768, "screen"], [1280, "screen"], [2560, "screen"], [768, "print"]]) {
      const where = `${file} at ${width}, ${colorScheme}, ${media}: `;
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      page.on("console", m => faults.push(where + "console: " + m.text()));
      page.on("pageerror", e => faults.push(where + "script: " + e.message));
      await page.emulateMedia({ media, colorScheme });
      await page.goto(pathToFileURL(path.resolve(file)).href);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) faults.push(where + `${wide} pixels wider than the window`);
      if (media === "screen") {
        const slider = page.locator("input[type=range]").first();
        if (await slider.count()) {
          const at = () => page.evaluate(() => document.body.innerText);
          const before = await at();
          await slider.focus();
          await page.keyboard.press("ArrowRight");
          if (await at() === before) faults.push(where + "the slider does not follow the keyboard");
        }
        await page.addScriptTag({ path: axe });
        const { violations } = await page.evaluate(() => axe.run({ preload: false }));
        for (const v of violations.filter(v => ["serious", "critical"].includes(v.impact))) {
          faults.push(where + `axe ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => n.target).join(", ")}`);
        }
      }
      await page.close();
      looks++;
    }
  }
}
await browser.close();
if (faults.length) {
  console.log(faults.join("\n"));
  process.exit(1);
}
console.log(`${pages.length} pages, ${looks} looks: no fault`);
