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
  if (failed !== undefined) return explain(failed, scrub);
  const slowestMs = Math.max(
    ...results.map((each) => (each.state === 'healthy' ? each.afterMs : 0)),
  );
  const text = `Healthy after ${(slowestMs / 1000).toFixed(2)} s`;
  context.report({ step: 'HEALTH', severity: 'INFO', text });
  return { ok: true };
}

function explain(health: Health, scrub: Scrub): StepOutcome {
  switch (health.state) {
    case 'healthy':
      return { ok: true };
    case 'crashed':
      return explainCrash(crashOf(health.instance, scrub));
    case 'unhealthy': {
      const { pid, port, lastLines } = health.instance;
      return explainNeverHealthy({
        why: scrub(health.why),
        afterSeconds: health.afterSeconds,
        port,
        listening: pid === null ? [] : listeningAddresses(pid),
        tail: lastLines.map(scrub),
      });
    }
  }
}
