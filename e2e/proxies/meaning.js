// All that an application could take a request target for.

const decode = (text) => Buffer.from(text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))), 'latin1').toString('latin1');

function withoutDots(path) {
  const out = [];
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') out.pop();
    else if (segment !== '.') out.push(segment);
  }
  return `/${out.join('/')}`;
}

const READINGS = [
  (path) => path,
  decode,
  (path) => decode(decode(path)),
  (path) => decode(path).replaceAll('\\', '/'),
  (path) => decode(path).replaceAll(/;[^/]*/g, ''),
  (path) => decode(path).split('\0')[0],
];

/** Every path that some server makes of a request target: decoded or not, with or without dot segments, parameters, case. */
export function readings(target) {
  const path = target.replace(/^[a-z]+:\/\/[^/?#]*/i, '').split('?')[0] || '/';
  const all = new Set();
  for (const whole of [path, path.split('#')[0]]) {
    for (const read of READINGS) {
      const plain = read(whole).toLowerCase();
      for (const merged of [plain, plain.replaceAll(/\/+/g, '/')]) {
        all.add(merged);
        all.add(withoutDots(merged));
        all.add(withoutDots(merged).replaceAll(/\/+/g, '/'));
      }
    }
  }
  return [...all];
}

const lies = (path, folder) => path === folder || path.startsWith(`${folder}/`);

/** Whether every reading lies in the public part: only then may it pass without a credential. */
export const isPublic = (target) => readings(target).every((path) => lies(path, '/public'));

/** Whether some reading lies in the administrators' part. */
export const mayBeAdmin = (target) => readings(target).some((path) => lies(path, '/admin'));

/** The one spelling of a target that is not ambiguous (RFC 3986 §6.2.2): hex digits upper case, unreserved characters plain. */
export function canonical(target) {
  return target.replaceAll(/%([0-9a-f]{2})/gi, (escape, hex) => {
    const plain = String.fromCharCode(parseInt(hex, 16));
    return /[a-z0-9\-._~]/i.test(plain) ? plain : escape.toUpperCase();
  });
}
