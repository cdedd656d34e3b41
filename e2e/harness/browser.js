// What a browser does and fetch does not: cookies, redirects one by one, and the headers that prove the origin.

/** A browser with an empty cookie jar. */
export class Browser {
  #jar = new Map();

  /** The value of a cookie that an origin has set, or undefined. */
  cookie(origin, name) {
    return this.#jar.get(origin)?.get(name);
  }

  /** Puts a cookie into the jar, as if the origin had set it. */
  setCookie(origin, name, value) {
    if (!this.#jar.has(origin)) this.#jar.set(origin, new Map());
    this.#jar.get(origin).set(name, value);
  }

  /** A request from a page of the same origin. Redirects are answers, and are not followed. */
  fetch = async (address, { headers, ...options } = {}) => {
    const { origin } = new URL(address);
    const sent = new Headers(headers);
    const cookies = [...(this.#jar.get(origin) ?? [])].map(([name, value]) => `${name}=${value}`);
    if (cookies.length > 0) sent.set('cookie', cookies.join('; '));
    if (!['GET', 'HEAD', undefined].includes(options.method)) sent.set('origin', origin);
    const response = await fetch(address, { ...options, headers: sent, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) this.#keep(origin, line);
    return response;
  };

  #keep(origin, line) {
    const [pair, ...attributes] = line.split(';').map((part) => part.trim());
    const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
    const gone = attributes.some((one) => /^max-age=(0|-\d+)$/i.test(one) || (/^expires=/i.test(one) && Date.parse(one.slice(8)) < Date.now()));
    if (gone) this.#jar.get(origin)?.delete(name);
    else this.setCookie(origin, name, value);
  }

  /** Follows redirects from an address until one leads to `destination`, and returns that one. */
  async navigate(address, destination) {
    let at = new URL(address);
    for (let hops = 0; hops < 12; hops += 1) {
      if (at.href.startsWith(destination)) return at;
      const response = await this.fetch(at, { headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' } });
      const location = response.headers.get('location');
      if (!location) throw new Error(`${response.status} at ${at.origin}${at.pathname}: ${await response.text()}`);
      at = new URL(location, at);
    }
    throw new Error('redirected too often');
  }
}
