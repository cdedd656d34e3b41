// Tokens that are not for this gateway.

import { answered, refused } from '../../harness/expect.js';
import { loggedIn } from '../sites.js';

const me = '/api/v1/auth/me';

const isJwt = (token) => token.split('.').length === 3;

export function strangers({ row, each }) {
  row("another realm's, issuer's or key's token is refused", async (t, { provider, sites }) => {
    const member = await loggedIn(sites[0]);
    const foreign = await provider.foreignTokens(member);
    await each(t, async (site) => {
      for (const token of foreign) await refused(await member.bearer(me, { token, origin: site.origin }));
      const own = await loggedIn(site);
      await answered(await own.bearer(me));
    });
  });

  row("another client's token is refused where the layer sees its audience", async (t, { provider }) => {
    const token = await provider.tokenOfAnotherClient();
    await each(t, async (site) => {
      const answer = await fetch(`${site.origin}${me}`, { headers: { authorization: `Bearer ${token}` } });
      // Userinfo (OpenID Connect Core §5.3.2) says who somebody is, and not for whom the token was issued. A JWT says it itself.
      if (site.layer === 'oauth_userinfo' && !isJwt(token)) await answered(answer);
      else await refused(answer);
    });
  }, 'anotherClient');
}
