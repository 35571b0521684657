import type { InstanceStatus } from '@pilotfish/contracts';
import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { crashOf, explainCrash, explainNeverHealthy } from '../explain/explain-start.ts';
import { awaitHealthy, type Health } from '../run/await-healthy.ts';
import { listeningAddresses } from '../run/listening-ports.ts';
import { createScrub, type Scrub } from '../scrub.ts';
import { artefactOf, specOf } from './start.ts';
import { instanceIds, releaseOf, type StepDeps } from './step-deps.ts';

/** Waits until every instance of the release passes its probe. */
export async function awaitHealthyStep(
  deps: StepDeps,
  step: Step,
  context: StepContext,
): Promise<StepOutcome> {
  const release = releaseOf(step);
  const spec = await specOf(deps, step, context, await artefactOf(deps, step));
  const scrub = createScrub(Object.values(context.secrets));
  const healthDeps = {
    clock: deps.clock,
    supervisor: deps.supervisor,
    healthySecondsMax: deps.limits.healthySecondsMax,
  };
  const question = {
    host: step.service.host,
    release,
    cwd: spec.cwd,
    environment: spec.env,
    signal: context.signal,
  };
  const ids = instanceIds(release, deps.limits.instancesMax);
  const results = await Promise.all(
    ids.map((instanceId) => awaitHealthy(healthDeps, { ...question, instanceId })),
  );
  // Of several causes the crash says more than the silence after it.
  const failed =
    results.find(({ state }) => state === 'crashed') ??
    results.find(({ state }) => state === 'unhealthy');
  if (failed !== undefined) {
    return explain(deps, failed, { scrub, command: spec.argv[0] ?? '' }, context.signal);
  }
  const slowestMs = Math.max(
    ...results.map((each) => (each.state === 'healthy' ? each.afterMs : 0)),
  );
  const text = `Healthy after ${(slowestMs / 1000).toFixed(2)} s`;
  context.report({ step: 'HEALTH', severity: 'INFO', text });
  return { ok: true };
}

async function explain(
  deps: StepDeps,
  health: Health,
  { scrub, command }: { readonly scrub: Scrub; readonly command: string },
  signal: AbortSignal,
): Promise<StepOutcome> {
  if (health.state === 'healthy') return { ok: true };
  const { instance } = health;
  const tail = (await newestLines(deps, instance, signal)).map(scrub);
  if (health.state === 'crashed') return explainCrash(crashOf(instance, command, tail, scrub));
  return explainNeverHealthy({
    why: scrub(health.why),
    afterSeconds: health.afterSeconds,
    port: instance.port,
    listening: instance.pid === null ? [] : listeningAddresses(instance.pid),
    tail: tail.slice(-20),
  });
}

const logLinesMax = 200;

/** What the instance wrote: more than its status holds, as a stack trace alone may fill that. */
async function newestLines(
  deps: StepDeps,
  instance: InstanceStatus,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const query = { limit: logLinesMax };
    const { lines } = await deps.supervisor.readLogs(instance.serviceId, query, signal);
    const own = lines.filter((line) => line.instance === instance.instanceId);
    const written = own.filter((line) => line.stream !== 'platform').map((line) => line.text);
    if (written.length > 0) return written;
  } catch (thrown) {
    signal.throwIfAborted();
    deps.logger.warn({ err: thrown }, 'The lines of a failed instance cannot be read');
  }
  return instance.lastLines;
}
