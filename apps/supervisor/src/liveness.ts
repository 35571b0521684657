/**
 * Asks a running process again and again whether it still does its work, as its specification
 * says; the semantics are those of a Kubernetes liveness probe.
 */
import type { InstanceSpec } from '@pilotfish/contracts';
import { type Clock, unreachable } from '@pilotfish/kernel';
import { type ProbeResult, probeExec, probeHttp, probeTcp } from '@pilotfish/runtime';
import type { StartOptions } from './process/process-host.ts';

type Liveness = NonNullable<InstanceSpec['liveness']>;

export interface LivenessQuestion {
  readonly liveness: Liveness;
  readonly port: number;
  /** Of the run: the initial delay counts from here, also under the next supervisor. */
  readonly startedAt: string;
  /** For probes that are commands. */
  readonly options: Pick<StartOptions, 'cwd' | 'env'>;
}

/** The process is to be ended, and why. */
export interface NotAlive {
  readonly notAlive: string;
}

/** Resolves when the probe failed too often in a row, and never once the signal is aborted. */
export async function untilNotAlive(
  { clock }: { readonly clock: Clock },
  question: LivenessQuestion,
  signal: AbortSignal,
): Promise<NotAlive> {
  const { initialDelaySeconds, periodSeconds, failureThreshold } = question.liveness;
  const ranMs = clock.now().since(Temporal.Instant.from(question.startedAt)).total('milliseconds');
  let waitMs = Math.max(0, initialDelaySeconds * 1000 - ranMs);
  for (let failures = 0; ; ) {
    await clock.sleep(waitMs, signal).catch(() => {});
    const askedAtMs = clock.monotonicMs();
    // What could not be asked says nothing about the process.
    const result = signal.aborted ? null : await ask(question, signal).catch(() => null);
    if (signal.aborted) return await new Promise<never>(() => {});
    if (result !== null) failures = result.ok ? 0 : failures + 1;
    if (result?.ok === false && failures >= failureThreshold) {
      const often = failures === 1 ? '' : ` ${failures} times in a row`;
      return { notAlive: `Failed its liveness probe${often}: ${result.why}.` };
    }
    waitMs = Math.max(0, askedAtMs + periodSeconds * 1000 - clock.monotonicMs());
  }
}

function ask(
  { liveness, port, options }: LivenessQuestion,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { type, host, timeoutSeconds } = liveness;
  const common = { port, timeoutMs: timeoutSeconds * 1000, signal };
  switch (type.kind) {
    case 'HTTP':
      return probeHttp({ ...common, path: type.path, host, statusBelow: 400 });
    case 'TCP':
      return probeTcp(common);
    case 'EXEC':
      return probeExec({
        ...common,
        command: type.command,
        cwd: options.cwd,
        environment: options.env,
      });
    default:
      return unreachable(type);
  }
}
