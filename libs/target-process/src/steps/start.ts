import { rename, rm, stat } from 'node:fs/promises';
import type { InstanceSpecInput, ServiceRelease } from '@pilotfish/contracts';
import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { Fault } from '@pilotfish/kernel';
import type { Artefact } from '../build/artefacts.ts';
import { cloneTree } from '../disk/clone-tree.ts';
import { instanceSpec } from '../run/start-command.ts';
import { instanceIds, releaseOf, type StepDeps } from './step-deps.ts';

/** The artefact of a release that `build` has put on record. */
export async function artefactOf(deps: StepDeps, step: Step): Promise<Artefact> {
  const release = releaseOf(step);
  const record = await deps.records.readRelease(step.service.serviceId, release.releaseId);
  const artefact = record && (await deps.artefacts.read(record.artefactKey));
  if (artefact === undefined) {
    throw new Fault('conflict', 'The release is not built.', {
      internal: `release ${release.releaseId} has no artefact on disk`,
    });
  }
  return artefact;
}

export function specOf(
  deps: StepDeps,
  step: Step,
  context: StepContext,
  artefact: Artefact,
): Promise<InstanceSpecInput> {
  const { layout, toolchain, limits } = deps;
  const commandDeps = { layout, toolchain, stopGraceSeconds: limits.stopGraceSeconds };
  return instanceSpec(commandDeps, step, context, artefact);
}

/** Starts the release beside what serves; adopts what an earlier run of the step has started. */
export async function start(
  deps: StepDeps,
  step: Step,
  context: StepContext,
): Promise<StepOutcome> {
  const release = releaseOf(step);
  const artefact = await artefactOf(deps, step);
  await prepareFolder(deps, step, release, artefact, context.signal);
  const spec = await specOf(deps, step, context, artefact);
  const ids = instanceIds(release, deps.limits.instancesMax);
  const what = ids.length === 1 ? 'one instance' : `${ids.length} instances`;
  const text = `Starting ${what}: ${(artefact.plan.start ?? ['static server']).join(' ')}`;
  context.report({ step: 'START', severity: 'INFO', text });
  if (ids.length < release.instances) {
    const limit = `${release.instances} instances were asked for; this target runs at most ${ids.length}.`;
    context.report({ step: 'START', severity: 'WARNING', text: limit });
  }
  await Promise.all(ids.map((id) => startInstance(deps, id, spec, context.signal)));
  return { ok: true };
}

/** The release's own copy of the artefact, complete under its name. */
async function prepareFolder(
  deps: StepDeps,
  step: Step,
  release: ServiceRelease,
  artefact: Artefact,
  signal: AbortSignal,
): Promise<void> {
  const app = deps.layout.releaseApp(step.service.serviceId, release.releaseId);
  if ((await stat(app).catch(() => undefined)) !== undefined) return;
  const fresh = `${app}.new`;
  await rm(fresh, { recursive: true, force: true });
  await cloneTree(deps.artefacts.tree(artefact.key), fresh, signal);
  await rename(fresh, app);
}

async function startInstance(
  deps: StepDeps,
  instanceId: string,
  spec: InstanceSpecInput,
  signal: AbortSignal,
): Promise<void> {
  const found = await deps.supervisor.get(instanceId, signal);
  const ended = found !== undefined && (found.state === 'exited' || found.state === 'stopped');
  if (ended || found?.stopping === true) await deps.supervisor.remove(instanceId, signal);
  try {
    await deps.supervisor.put(instanceId, spec, signal);
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.code !== 'conflict') throw thrown;
    // Started by a former version of the engine, which made another spec of the same release.
    await deps.supervisor.remove(instanceId, signal);
    await deps.supervisor.put(instanceId, spec, signal);
  }
}
