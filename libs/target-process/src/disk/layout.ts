import { createHash } from 'node:crypto';
import { join } from 'node:path';

/**
 * Where everything lies below the target's data folder:
 *
 * ```
 * package.json                                            ends the search of Node and npm upwards
 * services/{serviceId}/service.json                       whose it is, its host
 * services/{serviceId}/releases/{releaseId}/release.json  what it runs, which artefact
 * services/{serviceId}/releases/{releaseId}/app/          the files that its instances run
 * artefacts/{key}/artefact.json, tree/                    a finished build, shared by its key
 * repositories/{key}/objects.git, dependencies/{key}/     what makes the next build quick
 * caches/{organizationId}/                                package caches
 * builds/{buildId}.json                                   journal of running builds
 * work/{buildId}/                                         a build under way
 * trash/                                                  renamed here first, then removed
 * tools/                                                  links to node and npm, the static server
 * ```
 */
export type Layout = ReturnType<typeof createLayout>;

export function createLayout(dataDir: string) {
  const service = (serviceId: string) => join(dataDir, 'services', serviceId);
  const releases = (serviceId: string) => join(service(serviceId), 'releases');
  const release = (serviceId: string, releaseId: string) => join(releases(serviceId), releaseId);
  return {
    dataDir,
    targetFile: join(dataDir, 'target.json'),
    services: join(dataDir, 'services'),
    artefacts: join(dataDir, 'artefacts'),
    repositories: join(dataDir, 'repositories'),
    caches: join(dataDir, 'caches'),
    builds: join(dataDir, 'builds'),
    work: join(dataDir, 'work'),
    trash: join(dataDir, 'trash'),
    tools: join(dataDir, 'tools'),
    service,
    serviceFile: (serviceId: string) => join(service(serviceId), 'service.json'),
    releases,
    release,
    releaseFile: (serviceId: string, releaseId: string) =>
      join(release(serviceId, releaseId), 'release.json'),
    releaseApp: (serviceId: string, releaseId: string) =>
      join(release(serviceId, releaseId), 'app'),
    artefact: (key: string) => join(dataDir, 'artefacts', key),
    repository: (key: string) => join(dataDir, 'repositories', key),
  };
}

/** A name for content: 32 hexadecimal digits of the SHA-256 of its canonical JSON. */
export function contentKey(content: unknown): string {
  return createHash('sha256').update(canonicalJson(content)).digest('hex').slice(0, 32);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
