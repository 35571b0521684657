import type { DeliveryExecution } from '@pilotfish/contracts';
import { type Clock, Fault } from '@pilotfish/kernel';
import type { CoreApi, FollowedDelivery } from './core-api.ts';
import { type DeploymentLogDeps, followDeployment, type Outcome } from './deployment-log.ts';
import { formatLog, printable } from './log-lines.ts';
import type { Announced, Spool } from './spool.ts';

/** A push that is at work in this process: the context that its hook does not carry. */
export interface OpenPush {
  readonly pusher: string;
  /** Null for access tokens of machines: they read no log. */
  readonly token: string | null;
}

export interface FollowPushDeps extends DeploymentLogDeps {
  readonly spool: Spool;
  readonly coreApi: CoreApi;
  readonly clock: Clock;
  /** Pushes by their id. */
  readonly openPushes: ReadonlyMap<string, OpenPush>;
  readonly followMsMax: number;
}

type Print = (line: string) => void;

const announceMsMax = 15_000;
const outcomeMsMax = 60_000;
const pollMs = { first: 100, max: 1000 };
const quietMs = 15_000;
const executionsMax = 5;

/**
 * What a pusher reads while the push is still open: that it was received, what it started, the log
 * of the deployment with its end. The push is safe before the first line; every way out of here
 * ends the lines and nothing else.
 */
export async function followPush(
  deps: FollowPushDeps,
  pushId: string,
  print: Print,
  gone: AbortSignal,
): Promise<void> {
  deps.spool.ring();
  const push = deps.openPushes.get(pushId);
  const over = new AbortController();
  const signal = AbortSignal.any([gone, over.signal]);
  const limit = deps.clock.sleep(deps.followMsMax, signal).then(
    () => over.abort(new Fault('timeout', 'followed long enough')),
    () => {},
  );
  try {
    const announced = await waitForAnnouncement(deps, pushId, signal);
    if (announced === null) {
      print('Received. It is deployed as soon as the webhook-gateway answers again.');
      return;
    }
    if (!push?.token || deps.followMsMax === 0) {
      print('Received.');
      return;
    }
    await followDeliveries(deps, announced, push.token, print, signal);
  } catch (error) {
    if (gone.aborted) return;
    if (!over.signal.aborted) throw error;
    print('The deployment goes on; this push does not wait for it any longer.');
  } finally {
    over.abort();
    await limit;
  }
}

async function waitForAnnouncement(deps: FollowPushDeps, pushId: string, signal: AbortSignal) {
  const late = new AbortController();
  const timer = deps.clock.sleep(announceMsMax, AbortSignal.any([signal, late.signal])).then(
    () => late.abort(),
    () => {},
  );
  try {
    return await deps.spool.announced(pushId, AbortSignal.any([signal, late.signal]));
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  } finally {
    late.abort();
    await timer;
  }
}

async function followDeliveries(
  deps: FollowPushDeps,
  announced: readonly Announced[],
  token: string,
  print: Print,
  signal: AbortSignal,
): Promise<void> {
  const started: Started[] = [];
  for (const { ref, deliveryId } of announced.slice(0, 20)) {
    if (deliveryId === null) {
      print(`${shortRef(ref)}: received.`);
      continue;
    }
    const delivery = await waitForOutcome(deps, deliveryId, token, signal);
    if (delivery === null) {
      print(`${shortRef(ref)}: received; what it starts is in the deployment history.`);
      continue;
    }
    print(printable(delivery.outcome));
    started.push(...delivery.executions.map((execution) => ({ deliveryId, execution })));
  }
  const shown = started.slice(0, executionsMax);
  const several = shown.length > 1;
  await Promise.all(
    shown.map((one) => followExecution(deps, one, { token, print, signal, several })),
  );
}

/** Null where the token may not see deliveries, or nobody handled this one in time. */
async function waitForOutcome(
  deps: FollowPushDeps,
  deliveryId: string,
  token: string,
  signal: AbortSignal,
): Promise<FollowedDelivery | null> {
  const startedMs = deps.clock.monotonicMs();
  for (let delayMs = pollMs.first; ; delayMs = Math.min(delayMs * 1.5, pollMs.max)) {
    signal.throwIfAborted();
    try {
      const delivery = await deps.coreApi.delivery(deliveryId, token);
      if (delivery === null || delivery.state !== 'PENDING') return delivery;
    } catch (error) {
      if (!(error instanceof Fault && error.retryable)) throw error;
    }
    if (deps.clock.monotonicMs() - startedMs > outcomeMsMax) return null;
    await deps.clock.sleep(delayMs, signal);
  }
}

interface Started {
  readonly deliveryId: string;
  readonly execution: DeliveryExecution;
}

interface Following {
  readonly token: string;
  readonly print: Print;
  readonly signal: AbortSignal;
  readonly several: boolean;
}

async function followExecution(
  deps: FollowPushDeps,
  { deliveryId, execution }: Started,
  { token, print, signal, several }: Following,
): Promise<void> {
  const prefix = several ? `[${printable(execution.environment_name)}] ` : '';
  const quiet = createQuietWatch(deps.clock, signal, () => print(`${prefix}…`));
  try {
    const severalServices = execution.services.length > 1;
    const onLog = (log: Parameters<typeof formatLog>[0]) => {
      quiet.heard();
      for (const line of formatLog(log, severalServices)) print(`${prefix}${line}`);
    };
    let followed = execution;
    let outcome = await followDeployment(deps, followed, token, onLog, signal);
    while (outcome === 'CANCELED') {
      const delivery = await waitForOutcome(deps, deliveryId, token, signal);
      const now = delivery?.executions.find(({ id }) => id === execution.id);
      // Always the last one that took over, whoever did in between.
      if (now?.superseded_by === undefined || now.superseded_by === followed.id) break;
      print(`${prefix}Taken over by a newer request: its log follows.`);
      followed = { ...execution, id: now.superseded_by };
      outcome = await followDeployment(deps, followed, token, onLog, signal);
    }
    for (const line of farewell(execution, outcome)) print(`${prefix}${line}`);
  } catch (error) {
    if (!(error instanceof Fault) || signal.aborted) throw error;
    print(`${prefix}${error.detail}`);
  } finally {
    quiet.dispose();
  }
}

function farewell(execution: DeliveryExecution, outcome: Outcome): readonly string[] {
  if (outcome !== 'SUCCEEDED') {
    const words = { FAILED: 'failed', CANCELED: 'was canceled', REFUSED: 'was refused' } as const;
    return [`The deployment ${words[outcome]}. What was live before still is.`];
  }
  return execution.services.map(({ name, url }) =>
    url === null ? `✓ ${printable(name)} is deployed` : `✓ ${printable(name)} is live: ${url}`,
  );
}

/** A line now and then, so that neither people nor proxies take a long build for a dead line. */
function createQuietWatch(clock: Clock, signal: AbortSignal, onQuiet: () => void) {
  const stop = new AbortController();
  let heardMs = clock.monotonicMs();
  const live = async () => {
    const any = AbortSignal.any([signal, stop.signal]);
    while (!any.aborted) {
      await clock.sleep(Math.max(100, heardMs + quietMs - clock.monotonicMs()), any);
      if (clock.monotonicMs() - heardMs < quietMs) continue;
      heardMs = clock.monotonicMs();
      onQuiet();
    }
  };
  live().catch(() => {}); // Ends by its signals only.
  return {
    heard() {
      heardMs = clock.monotonicMs();
    },
    dispose: () => stop.abort(),
  };
}

function shortRef(ref: string): string {
  return printable(ref.replace(/^refs\/(?:heads|tags)\//, ''));
}
