/**
 * The reconcilers: idempotent, without input, started by a timer and by what suggests a look. Each
 * replica runs all of them; what two find at the same time is decided by the row they lock.
 */
import { messages } from '@pilotfish/contracts';
import { type ClusterId, limits } from '@pilotfish/kernel';
import { watchNewRepositories } from '@pilotfish/store';
import { reportCommits } from '../commit-reports/report-commits.ts';
import { createSourceAccess } from '../executions/source-access.ts';
import { createGitProviderOpener } from '../git-tokens/open-git-provider.ts';
import { deployMissedPushes } from '../reconcile/deploy-missed-pushes.ts';
import type { ReconcileDeps } from '../reconcile/deps.ts';
import { forgetNextSecrets } from '../reconcile/forget-next-secrets.ts';
import { createBranchHealer } from '../reconcile/heal-branches.ts';
import { createTransportKeeper } from '../reconcile/keep-transport.ts';
import { createEngineMeeting } from '../reconcile/meet-engines.ts';
import {
  moveStuckQueues,
  reissueAfterWipe,
  reissueUnknown,
  reissueUnreported,
} from '../reconcile/mend-executions.ts';
import { createRedeliverer } from '../reconcile/redeliver-failed.ts';
import { repeatCancels, repeatCancelsOf } from '../reconcile/repeat-cancels.ts';
import { takeHello } from '../reconcile/take-hello.ts';
import { chainAuditEvents, keepPartitions } from '../reconcile/upkeep.ts';
import { createEpochWatch } from '../reconcile/watch-epochs.ts';
import { keepRegistrations } from '../registrations/keep-registrations.ts';
import { createLoop, type Loop } from './loop.ts';
import { randomFraction } from './random.ts';
import type { Role } from './role.ts';
import { withoutSlash } from './without-slash.ts';

export const reconcilerRole: Role = async (deps) => {
  const { config, store, bus, clock, logger, metrics, git, authority, keys, health } = deps;
  const reconciler = startReconciler({
    store,
    bus,
    clock,
    logger,
    metrics,
    random: randomFraction,
    git,
    authority,
    natsUrl: config.NATS_URL,
    gitServerUrl: config.GIT_SERVER_PUBLIC_URL,
    retention: {
      eventDays: limits.eventRetentionDays,
      payloadDays: config.DELIVERY_PAYLOAD_RETENTION_DAYS,
      deliveryDays: config.DELIVERY_RETENTION_DAYS,
    },
    gapHealingSeconds: config.GAP_HEALING_SECONDS,
    sourceAccess: createSourceAccess({
      clock,
      keys,
      gitServerUrl: config.GIT_SERVER_PUBLIC_URL,
    }),
    keys,
    openGitProvider: createGitProviderOpener({ clock, keys, guard: deps.addressGuard }),
    webhooksUrl: withoutSlash(config.WEBHOOK_PUBLIC_URL),
    applicationsUrl: withoutSlash(config.APPLICATIONS_PUBLIC_URL),
  });
  // What is wanted waits in Postgres meanwhile.
  health.register('jetstream', reconciler.checkTransport, { isOptional: true });
  return reconciler;
};

interface Reconciler {
  /** @throws Error while NATS has not what everything else needs of it */
  checkTransport(): void;
  close(): Promise<void>;
}

export function startReconciler(deps: ReconcileDeps): Reconciler {
  const { bus } = deps;
  const every = (
    name: string,
    seconds: number,
    work: (signal: AbortSignal) => Promise<void>,
  ): Loop =>
    createLoop(deps, {
      name: `reconciler: ${name}`,
      intervalMs: seconds * 1000,
      async step(signal) {
        await work(signal);
        return false;
      },
    });
  const whileConnected = (work: () => Promise<void>) => async () => {
    if (bus.state() === 'connected') await work();
  };
  const keeper = createTransportKeeper(deps);
  const transport = every(
    'transport',
    10,
    whileConnected(async () => {
      await reissueAfterWipe(deps, await keeper.keep());
    }),
  );
  const loops = [
    transport,
    every(
      'executions',
      10,
      whileConnected(() => reissueUnreported(deps)),
    ),
    every('queues', 10, () => moveStuckQueues(deps)),
    every('missed pushes', 10, () => deployMissedPushes(deps)),
    every(
      'cancels',
      2,
      whileConnected(() => repeatCancels(deps)),
    ),
    every('new repositories', 5, () =>
      deps.store.system('worker', (tx) => watchNewRepositories(tx, deps.clock.now())),
    ),
    ...providerLoops(deps),
    every('partitions', 3600, (signal) => keepPartitions(deps, deps.retention, signal)),
    every('rotations', 30, () => forgetNextSecrets(deps)),
    every('audit', 10, () => chainAuditEvents(deps)),
  ];
  const stopListening = bus.onConnected(() => {
    keeper.forget();
    transport.ring();
  });
  const engines = listenToEngines(deps);
  return {
    checkTransport() {
      // The check of the connection names the rest.
      if (bus.state() === 'connected') keeper.check();
    },
    async close() {
      stopListening();
      engines.close();
      await Promise.all(loops.map((loop) => loop.close()));
    },
  };
}

/** What asks Git hosts, or keeps something there. */
function providerLoops(deps: ReconcileDeps): readonly Loop[] {
  return [
    // Each comparison is a git process here and another at the host.
    createLoop(deps, {
      name: 'reconciler: branches',
      intervalMs: 1000,
      lanes: 8,
      step: createBranchHealer(deps),
    }),
    createLoop(deps, {
      name: 'reconciler: failed deliveries',
      intervalMs: Math.min(5000, deps.gapHealingSeconds * 250),
      lanes: 2,
      step: createRedeliverer(deps),
    }),
    createLoop(deps, {
      name: 'reconciler: webhook registrations',
      intervalMs: 5000,
      step: (signal) => keepRegistrations(deps, signal),
    }),
    createLoop(deps, {
      name: 'reconciler: commit reports',
      intervalMs: 3000,
      step: (signal) => reportCommits(deps, signal),
    }),
  ];
}

/** Answers engines that present themselves, and asks those to do so that this process never met. */
function listenToEngines(deps: ReconcileDeps): { close(): void } {
  const { bus } = deps;
  const epochs = createEpochWatch(deps);
  const engines = createEngineMeeting(deps);
  const hello = bus.respond(messages.hello, {}, async ({ parameters, body }) => {
    const clusterId = parameters.clusterId as ClusterId;
    const reply = await takeHello(deps, clusterId, body);
    engines.met(body.engineId);
    if (reply.refusal === '') await repeatCancelsOf(deps, clusterId);
    // Where the list is cut, what is missing from it means nothing.
    if (reply.refusal === '' && body.openExecutions.length < 2000) {
      void reissueUnknown(deps, clusterId, body.openExecutions).catch((error: unknown) => {
        deps.logger.warn({ err: error, clusterId }, 'lost executions will be looked for again');
      });
    }
    return reply;
  });
  const heartbeat = bus.subscribe(messages.heartbeat, {}, ({ parameters, body }) => {
    const clusterId = parameters.clusterId as ClusterId;
    engines.heard(clusterId, body.engineId);
    if (body.highestEpoch !== undefined) epochs.show(clusterId, body.highestEpoch);
  });
  return {
    close() {
      hello.close();
      heartbeat.close();
    },
  };
}
