import { dropNextSecrets } from '@pilotfish/store';
import type { ReconcileDeps } from './deps.ts';

/** Many times what a rotation takes; one that is slower is refused at its end, and harms nothing. */
const rotationSecondsMax = 60;

/**
 * Forgets what a rotation left whose process died: a secret that nobody was told need not count, and
 * beside it gateways take none of before.
 */
export async function forgetNextSecrets({
  store,
  clock,
  logger,
}: Pick<ReconcileDeps, 'store' | 'clock' | 'logger'>): Promise<void> {
  const now = clock.now();
  const begunBefore = now.subtract({ seconds: rotationSecondsMax });
  const webhooks = await store.system('worker', (tx) => dropNextSecrets(tx, now, begunBefore));
  if (webhooks > 0) logger.info({ webhooks }, 'rotations that ended half-way were taken back');
}
