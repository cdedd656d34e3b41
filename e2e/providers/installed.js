// Where `cargo xtask test --only providers` puts the providers' programs, and which of them it could not have.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../.providers');

/** Where a file of an installed provider lies. */
export const installed = (path) => join(FOLDER, path);

/** The reason why a provider cannot be had on this machine, or undefined. */
export function impossible(name) {
  const list = installed('impossible');
  const line = existsSync(list) && readFileSync(list, 'utf8').split('\n').find((one) => one.startsWith(`${name}: `));
  return line ? line.slice(name.length + 2) : undefined;
}
