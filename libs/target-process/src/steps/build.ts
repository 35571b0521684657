import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { artefactKey, repositoryKey } from '../build/artefacts.ts';
import { buildArtefact } from '../build/build-artefact.ts';
import { secretsOf } from '../build/build-environment.ts';
import { createScrub } from '../scrub.ts';
import { markDeploying } from './service-route.ts';
import { releaseOf, type StepDeps } from './step-deps.ts';

/** Makes the release's artefact present and puts the release on record. */
export async function build(
  deps: StepDeps,
  step: Step,
  context: StepContext,
): Promise<StepOutcome> {
  const release = releaseOf(step);
  const { serviceId, name } = step.service;
  const { organizationId, environmentId, executionId, signal } = context;
  const repository = repositoryKey(organizationId, release.source.repositoryUrl);
  await deps.records.writeService({
    ...{ serviceId, environmentId, organizationId, name },
    repositoryKey: repository,
  });
  await markDeploying(deps, step);
  const key = artefactKey(organizationId, release, deps.toolchain.nodeVersions);
  const secrets = [
    ...Object.values(context.secrets),
    context.sourcePassword,
    ...secretsOf(deps.build.operator),
  ];
  // The same artefact for two services at once is built once: the second finds it here.
  return deps.artefactLock.run(key, signal, async () => {
    const kept = await deps.artefacts.read(key);
    if (kept === undefined) {
      const scrub = createScrub(secrets);
      const built = await buildArtefact(deps.build, { key, serviceId, release, context, scrub });
      if (!built.ok) return built;
    } else {
      const text = `Commit ${release.source.commitSha.slice(0, 8)} is built already (${kept.builtAt})`;
      context.report({ step: 'BUILD', severity: 'INFO', text });
    }
    // Within the lock: from here on the artefact is in use, and nobody may have dropped it before.
    const known = await deps.records.readRelease(serviceId, release.releaseId);
    await deps.records.writeRelease({
      releaseId: release.releaseId,
      serviceId,
      executionId,
      commitSha: release.source.commitSha,
      artefactKey: key,
      repositoryKey: repository,
      createdAt: known?.createdAt ?? deps.clock.now().toString(),
      servedAt: known?.servedAt ?? null,
    });
    return { ok: true };
  });
}
