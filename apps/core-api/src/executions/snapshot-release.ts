import type { ReleaseConfig, SecretReference, ServiceSpec } from '@pilotfish/contracts';
import type { EnvironmentRow, ServiceRow, VisibleVariable } from '@pilotfish/store';

/**
 * The configuration of a service at this moment, frozen for a release: variables by value, secrets
 * by version, so that a rollback restores it however both change afterwards.
 */
export function snapshotRelease(
  environment: EnvironmentRow,
  service: ServiceRow,
  commitSha: string,
  visible: readonly VisibleVariable[],
): ReleaseConfig {
  const spec: ServiceSpec = service.spec;
  const variables: Record<string, string> = builtInVariables(environment, service, commitSha);
  const secrets: Record<string, SecretReference> = {};
  for (const { key, value, isSecret, variableId, version } of visible) {
    if (isSecret) secrets[key] = { variableId, version };
    else variables[key] = value ?? '';
  }
  return {
    git: spec.git,
    variables,
    secrets,
    ports: spec.ports.map(({ name, internalPort, public: isPublic }) => ({
      name,
      internalPort,
      public: isPublic,
    })),
    command: spec.command,
    readiness: spec.readiness,
    liveness: spec.liveness,
    instances: Math.max(1, spec.instancesMin),
    buildSecondsMax: spec.buildSecondsMax,
    memoryMebibytes: spec.memoryMebibytes,
  };
}

/** What every application may read about itself; the names are part of the public API. */
export function builtInVariables(
  environment: Pick<EnvironmentRow, 'id' | 'name' | 'organizationId' | 'projectId' | 'mode'>,
  service: Pick<ServiceRow, 'id' | 'name' | 'host'>,
  commitSha: string,
): Record<string, string> {
  return {
    QOVERY_ORGANIZATION_ID: environment.organizationId,
    QOVERY_PROJECT_ID: environment.projectId,
    QOVERY_ENVIRONMENT_ID: environment.id,
    QOVERY_ENVIRONMENT_NAME: environment.name,
    QOVERY_ENVIRONMENT_TYPE: environment.mode,
    QOVERY_APPLICATION_ID: service.id,
    QOVERY_APPLICATION_NAME: service.name,
    QOVERY_APPLICATION_HOST: service.host,
    QOVERY_GIT_COMMIT_ID: commitSha,
  };
}
