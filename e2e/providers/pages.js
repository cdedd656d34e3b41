// What a person does with the pages of a login: reads the form, fills it in, sends it, and goes where the answer leads.

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Text of HTML without its character references. */
function plain(text) {
  return text.replaceAll(/&(?:#x([0-9a-f]+)|#(\d+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (name) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal));
  });
}

/** The attributes of a tag, by their names. */
function attributes(tag) {
  const found = {};
  for (const [, name, , quoted, single, bare] of tag.matchAll(/([a-z-]+)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/gi)) {
    found[name.toLowerCase()] ??= plain(quoted ?? single ?? bare ?? '');
  }
  return found;
}

/** The first form of a page that is sent by POST: where it goes, and the values that it already has. */
export function formOf(html, address) {
  for (const [, open, inside] of html.matchAll(/(<form\b[^>]*>)([\s\S]*?)<\/form>/gi)) {
    const { action = '', method = 'get' } = attributes(open);
    if (method.toLowerCase() !== 'post') continue;
    const fields = {};
    for (const [tag] of inside.matchAll(/<(?:input|button)\b[^>]*>/gi)) {
      const { name, value = '', type = 'text' } = attributes(tag);
      // A button counts only if it is pressed, and the first one is.
      if (name && !(type === 'submit' && name in fields)) fields[name] = value;
    }
    return { action: new URL(action, address), fields };
  }
  return undefined;
}

/**
 * Goes from an address through redirects and forms until one redirect leads to `destination`, and returns that one.
 * `fill` gets the names of a form's fields, and gives the values that the person types.
 */
export async function goThrough(browser, from, destination, fill) {
  let [address, options] = [new URL(from), {}];
  for (let pages = 0; pages < 16; pages += 1) {
    if (address.href.startsWith(destination)) return address;
    const response = await browser.fetch(address, { ...options, headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' } });
    const location = response.headers.get('location');
    if (location) {
      await response.body?.cancel();
      [address, options] = [new URL(location, address), {}];
      continue;
    }
    const html = await response.text();
    const form = formOf(html, address);
    if (!form) throw new Error(`${response.status} at ${address.origin}${address.pathname}: ${html.slice(0, 800)}`);
    const body = new URLSearchParams({ ...form.fields, ...fill(Object.keys(form.fields), html) });
    [address, options] = [form.action, { method: 'POST', body }];
  }
  throw new Error('the login never ended');
}
