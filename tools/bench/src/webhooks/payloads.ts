import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Hooks } from './hooks.ts';
import { pushEventBody } from './push-event.ts';
import { randomFrom } from './random.ts';

/** What the deliveries of a leg weigh. */
export type PayloadSize = '7k' | '20k' | 'mix';

/** Signed bodies on disk, as the load generator reads them. */
export interface Pool {
  readonly file: string;
  /** Each how many-th delivery has a large body; 0: none. */
  readonly largeEvery: number;
}

const seed = 4;
const bodiesPerPool = 400;
const largeBodies = 4;

/**
 * Writes the bodies with their signatures, for the webhooks in turn. GitHub's delivery id is outside of what is signed, so a
 * few hundred bodies make any number of different deliveries.
 */
export function writePool(file: string, size: PayloadSize, { each, secret }: Hooks): Pool {
  const random = randomFrom(seed);
  const smallBytes = size === '20k' ? 20_000 : 7_000;
  const small = Array.from({ length: bodiesPerPool }, () => pushEventBody(random, smallBytes));
  const large =
    size === 'mix' ? Array.from({ length: largeBodies }, () => pushEventBody(random, 1e6)) : [];
  const entry = (kind: string) => (body: Buffer, index: number) => {
    const signature = createHmac('sha256', secret).update(body).digest('hex');
    const path = each[index % each.length]?.path ?? '/';
    return [Buffer.from(`${signature} ${body.length} ${kind} ${path}\n`), body];
  };
  const parts = [...small.flatMap(entry('small')), ...large.flatMap(entry('large'))];
  writeFileSync(file, Buffer.concat(parts));
  return { file, largeEvery: size === 'mix' ? 100 : 0 };
}
