/**
 * The webhook-gateway against what most people would write, on the same payloads in one run. A
 * baseline and ours run right after each other, in turn the one and the other first, and only such
 * pairs are divided by each other; a pair during which others used the machine is run again.
 */
import { join } from 'node:path';
import type { Benchmark } from '../benchmark.ts';
import { cleanUp } from '../clean-up.ts';
import type { Stage } from './contestants.ts';
import { makeHooks } from './hooks.ts';
import { openLoadGenerator } from './load-generator.ts';
import { keepToTwoProcessors } from './machine.ts';
import { type PayloadSize, type Pool, writePool } from './payloads.ts';
import { profileGateway } from './profile.ts';
import { parts, race } from './race.ts';
import { startServers } from './servers.ts';

const hookCount = 20;

export const webhooks: Benchmark = {
  name: 'webhooks',
  purpose: 'deliveries a second and their cost, against bare HTTP, JetStream and plain inserts',
  parts,
  flags: ['quick', 'profile'],
  async run(say, options) {
    await using clean = cleanUp(say);
    keepToTwoProcessors(say);
    const generator = await openLoadGenerator(options.env, say);
    const servers = await startServers({
      env: options.env,
      root: options.root,
      cleanUp: clean,
      say,
    });
    clean.defer(() => generator.stop());
    const hooks = await makeHooks(servers, hookCount);
    const { env, root } = options;
    const stage: Stage = { servers, secret: hooks.secret, root, env, cleanUp: clean };
    const pools = new Map<PayloadSize, Pool>();
    const poolOf = (size: PayloadSize) => {
      const file = join(servers.folder, `${size}.pool`);
      const pool = pools.get(size) ?? writePool(file, size, hooks);
      pools.set(size, pool);
      return pool;
    };
    if (options.profile) {
      await profileGateway({ stage, generator, pool: poolOf('7k'), say });
      return [];
    }
    return await race({ say, options, generator, stage, hooks, poolOf });
  },
};
