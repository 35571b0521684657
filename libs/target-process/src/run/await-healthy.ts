import type { InstanceStatus, Probe, ServiceRelease } from '@pilotfish/contracts';
import { type Clock, Fault } from '@pilotfish/kernel';
import { type ProbeResult, probeExec, probeHttp, probeTcp } from '@pilotfish/runtime';
import type { Supervisor } from './supervisor-client.ts';

export type Health =
  | { readonly state: 'healthy'; readonly afterMs: number }
  | { readonly state: 'crashed'; readonly instance: InstanceStatus }
  | {
      readonly state: 'unhealthy';
      readonly instance: InstanceStatus;
      readonly why: string;
      readonly afterSeconds: number;
    };

interface HealthDeps {
  readonly clock: Clock;
  readonly supervisor: Pick<Supervisor, 'get'>;
  readonly healthySecondsMax: number;
}

export interface HealthQuestion {
  readonly instanceId: string;
  readonly host: string;
  readonly release: ServiceRelease;
  readonly cwd: string;
  /** For probes that are commands. */
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

const quickMs = 50;
const quickForMs = 3000;
const slowMs = 250;

/** A silent connection this often counts: not every program speaks HTTP. */
const silentProbesMax = 3;

/**
 * Waits until an instance passes its readiness probe, or is known not to. Looks every 50 ms at
 * first, whatever period the probe has: between start and first success nobody is served, and the
 * period is for the time after it.
 */
export async function awaitHealthy(deps: HealthDeps, question: HealthQuestion): Promise<Health> {
  const { readiness } = question.release;
  const startedMs = deps.clock.monotonicMs();
  const elapsedMs = () => deps.clock.monotonicMs() - startedMs;
  const secondsMax = patience(readiness, deps.healthySecondsMax);
  const probe = createProbe(question);
  if (readiness !== null && readiness.initialDelaySeconds > 0) {
    await deps.clock.sleep(readiness.initialDelaySeconds * 1000, question.signal);
  }
  let successes = 0;
  for (;;) {
    const instance = await deps.supervisor.get(question.instanceId, question.signal);
    if (instance === undefined) {
      throw new Fault('unavailable', 'The started instance is gone from the supervisor.', {
        internal: question.instanceId,
      });
    }
    // A crash that the supervisor has mended by a restart is a crash all the same.
    if (instance.exit !== null || instance.state === 'exited') {
      return { state: 'crashed', instance };
    }
    const result: ProbeResult =
      instance.state === 'running'
        ? await probe(instance.port)
        : { ok: false, connected: false, why: instance.message || 'its process does not run yet' };
    question.signal.throwIfAborted();
    successes = result.ok ? successes + 1 : 0;
    if (successes >= (readiness?.successThreshold ?? 1)) {
      return { state: 'healthy', afterMs: elapsedMs() };
    }
    if (elapsedMs() > secondsMax * 1000 && !result.ok) {
      const afterSeconds = Math.round(elapsedMs() / 1000);
      return { state: 'unhealthy', instance, why: result.why, afterSeconds };
    }
    await deps.clock.sleep(elapsedMs() < quickForMs ? quickMs : slowMs, question.signal);
  }
}

/** Seconds until an instance counts as never healthy: the platform's own, or longer by its probe. */
function patience(readiness: Probe | null, healthySecondsMax: number): number {
  if (readiness === null) return healthySecondsMax;
  const { initialDelaySeconds, periodSeconds, failureThreshold, timeoutSeconds } = readiness;
  const asked = initialDelaySeconds + periodSeconds * failureThreshold + timeoutSeconds;
  return Math.max(healthySecondsMax, asked);
}

function createProbe(question: HealthQuestion): (port: number) => Promise<ProbeResult> {
  const { signal, host, cwd, environment } = question;
  const { readiness } = question.release;
  if (readiness === null) return defaultProbe(question);
  const timeoutMs = readiness.timeoutSeconds * 1000;
  const { type } = readiness;
  // A probe names the port by its number in the service; the one that listens was chosen by us.
  switch (type.kind) {
    case 'HTTP':
      return (port) =>
        probeHttp({ port, path: type.path, host, timeoutMs, signal, statusBelow: 400 });
    case 'TCP':
      return (port) => probeTcp({ port, timeoutMs, signal });
    case 'EXEC':
      return (port) =>
        probeExec({ port, command: type.command, cwd, environment, timeoutMs, signal });
  }
}

/** Without a probe of its own: the port is open, and what answers HTTP answers below 500. */
function defaultProbe(question: HealthQuestion): (port: number) => Promise<ProbeResult> {
  const { host, signal } = question;
  let silent = 0;
  return async (port) => {
    const result = await probeHttp({
      ...{ port, path: '/', host, timeoutMs: 2000, signal },
      statusBelow: 500,
    });
    if (result.ok || !result.connected || /answers \d/.test(result.why)) return result;
    silent += 1;
    return silent >= silentProbesMax ? { ok: true } : result;
  };
}
