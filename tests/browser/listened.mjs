/** A page without network of which is put down what it says and asks for; it is closed with the test. */
export async function listened(browser, t, options) {
  const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 900 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  const heard = { said: [], asked: [] };
  page.on("console", (message) => heard.said.push(message.text()));
  page.on("pageerror", (error) => heard.said.push(String(error)));
  page.on("dialog", (dialog) => heard.said.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  page.on("request", (request) => heard.asked.push(request.url()));
  return { page, heard };
}
