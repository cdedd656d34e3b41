// The settings of docs/PROVIDERS.md: what a reader copies is what these tests run.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = join(import.meta.dirname, '../../docs/PROVIDERS.md');

/**
 * The settings under `<!-- settings: name -->`, in which `addresses` takes the place of those that the page names.
 * @param {Record<string, string>} addresses what stands in the page, and what the test has instead
 */
export function documentedSettings(name, addresses) {
  const [, block] = readFileSync(PAGE, 'utf8').split(`<!-- settings: ${name} -->\n\`\`\`sh\n`);
  if (block === undefined) throw new Error(`docs/PROVIDERS.md has no settings of ${name}`);
  let text = block.slice(0, block.indexOf('```'));
  for (const [there, here] of Object.entries(addresses)) {
    if (!text.includes(there)) throw new Error(`docs/PROVIDERS.md: the settings of ${name} do not name ${there}`);
    text = text.replaceAll(there, here);
  }
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}
