/**
 * Between an application as the wire describes it and the spec that is stored. What only the API
 * reads travels inside the spec, under `wire`.
 */
import { randomUUIDv7 } from 'node:crypto';
import type { ApplicationSpec, GitSource, Probe, ServicePort } from '@pilotfish/contracts';
import type {
  ApplicationEditRequest,
  ApplicationGitRepositoryRequest,
  ApplicationRequest,
  ServicePortRequest,
  WireProbe,
} from '@pilotfish/contracts/http';
import { repositoryKey } from '@pilotfish/domain-deploy';
import { isBranchName, parseGitUrl, remoteProtocols } from '@pilotfish/git';
import { Fault, type GitTokenId, toFault } from '@pilotfish/kernel';

/** Fields of an application that no engine reads. */
const wireFields = [
  'healthchecks',
  'build_mode',
  'dockerfile_path',
  'arguments',
  'entrypoint',
  'cpu_architecture',
  'docker_target_build_stage',
  'ephemeral_storage_in_gib',
] as const;
export type WireFields = Partial<Pick<ApplicationRequest, (typeof wireFields)[number]>>;

const buildSecondsMax = 1800;

/** The spec of a new application. @throws Fault `invalid_input` naming the field */
export function newApplicationSpec(
  request: ApplicationRequest,
  protocols: readonly string[] = remoteProtocols,
): ApplicationSpec {
  const { git_repository, healthchecks } = request;
  const base: ApplicationSpec = {
    kind: 'APPLICATION',
    git: gitSource(git_repository, protocols),
    autoDeploy: true,
    autoPreview: false,
    pathFilters: [],
    ports: [],
    command: [],
    readiness: null,
    liveness: null,
    instancesMin: 1,
    instancesMax: 1,
    cpuMillicores: 500,
    memoryMebibytes: 512,
    buildSecondsMax,
    wire: { healthchecks },
  };
  return changeApplicationSpec(base, request, protocols);
}

type Change = ApplicationRequest | ApplicationEditRequest;

/** A spec after a request: what the request leaves out stays. @throws Fault `invalid_input` */
export function changeApplicationSpec(
  spec: ApplicationSpec,
  request: Change,
  protocols: readonly string[] = remoteProtocols,
): ApplicationSpec {
  refuseUnsupported(request);
  const ports = request.ports ? portsOf(request.ports, spec.ports) : spec.ports;
  const wire: WireFields = { ...wireOf(spec), ...pick(request) };
  const changed: ApplicationSpec = {
    ...spec,
    git: request.git_repository ? gitSource(request.git_repository, protocols) : spec.git,
    autoDeploy: request.auto_deploy ?? spec.autoDeploy,
    autoPreview: request.auto_preview ?? spec.autoPreview,
    ports,
    command: [...words(wire.entrypoint ?? ''), ...(wire.arguments ?? [])],
    readiness: probeOf('readiness_probe', request.healthchecks.readiness_probe, ports),
    liveness: probeOf('liveness_probe', request.healthchecks.liveness_probe, ports),
    instancesMin: request.min_running_instances ?? spec.instancesMin,
    instancesMax: request.max_running_instances ?? spec.instancesMax,
    cpuMillicores: request.cpu ?? spec.cpuMillicores,
    memoryMebibytes: request.memory ?? spec.memoryMebibytes,
    wire,
  };
  if (changed.instancesMin > changed.instancesMax) {
    throw new Fault('invalid_input', 'min_running_instances: more than max_running_instances');
  }
  return changed;
}

/** The fields that only the API reads, as they were sent. */
export function wireOf(spec: ApplicationSpec): WireFields {
  return (spec.wire ?? {}) as WireFields;
}

function pick(request: Change): WireFields {
  const entries = wireFields.flatMap((name) => {
    const value = request[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}

/** Better refused than accepted and ignored. */
function refuseUnsupported(request: Change): void {
  const asked: Record<string, boolean> = {
    storage: (request.storage?.length ?? 0) > 0,
    gpu: (request.gpu ?? 0) > 0,
    annotations_groups: (request.annotations_groups?.length ?? 0) > 0,
    labels_groups: (request.labels_groups?.length ?? 0) > 0,
    autoscaling: request.autoscaling !== undefined,
  };
  const refused = Object.keys(asked).filter((name) => asked[name]);
  if (refused.length > 0) {
    throw new Fault(
      'invalid_input',
      `${refused.join(', ')}: not available on this cluster's target`,
    );
  }
}

function gitSource(
  request: ApplicationGitRepositoryRequest,
  protocols: readonly string[],
): GitSource {
  const { url, provider, branch = 'main', root_path: rootPath = '/' } = request;
  assertRepositoryUrl(url, protocols);
  if (!isBranchName(branch)) {
    throw new Fault('invalid_input', 'git_repository.branch: is no branch name');
  }
  if (rootPath.split('/').includes('..')) {
    throw new Fault('invalid_input', 'git_repository.root_path: must stay inside the repository');
  }
  const gitTokenId = (request.git_token_id ?? null) as GitTokenId | null;
  // Left out where there is none: a spec that says the same must be the same.
  const token = gitTokenId === null ? {} : { gitTokenId };
  return { provider, url, branch, rootPath: rootPath || '/', ...token };
}

/** By the rules of the fetch, so that nobody learns only at a deployment what is not allowed. */
function assertRepositoryUrl(url: string, protocols: readonly string[]): void {
  try {
    parseGitUrl(url, protocols);
  } catch (error) {
    const { code, detail } = toFault(error);
    if (code !== 'invalid_input') throw error;
    throw new Fault('invalid_input', `git_repository.url: ${detail}`);
  }
  if (repositoryKey(url) === null) {
    throw new Fault('invalid_input', 'git_repository.url: is no address of a Git repository');
  }
}

type PortRequest = Omit<ServicePortRequest, 'id'> & { readonly id?: string };

function portsOf(requests: readonly PortRequest[], present: readonly ServicePort[]): ServicePort[] {
  const seen = new Set<number>();
  return requests.map((request) => {
    if (seen.has(request.internal_port)) {
      throw new Fault('invalid_input', `ports: ${request.internal_port} is named twice`);
    }
    seen.add(request.internal_port);
    if (request.protocol !== undefined && request.protocol !== 'HTTP') {
      throw new Fault('invalid_input', `ports: ${request.protocol} is not available, only HTTP`);
    }
    const known = present.find(({ id }) => id === request.id);
    const { external_port: externalPort, public_path, public_path_rewrite } = request;
    return {
      id: known?.id ?? randomUUIDv7(),
      name: request.name ?? known?.name ?? `p${request.internal_port}`,
      internalPort: request.internal_port,
      public: request.publicly_accessible,
      isDefault: request.is_default ?? false,
      protocol: 'HTTP',
      ...(externalPort === undefined ? {} : { externalPort }),
      ...(public_path === undefined ? {} : { publicPath: public_path }),
      ...(public_path_rewrite === undefined ? {} : { publicPathRewrite: public_path_rewrite }),
    };
  });
}

function probeOf(
  field: string,
  probe: WireProbe | null | undefined,
  ports: readonly ServicePort[],
): Probe | null {
  if (!probe) return null;
  return {
    type: probeType(field, probe, ports),
    initialDelaySeconds: probe.initial_delay_seconds ?? 0,
    periodSeconds: probe.period_seconds ?? 10,
    timeoutSeconds: probe.timeout_seconds ?? 5,
    successThreshold: probe.success_threshold ?? 1,
    failureThreshold: probe.failure_threshold ?? 3,
  };
}

function probeType(field: string, probe: WireProbe, ports: readonly ServicePort[]): Probe['type'] {
  const { tcp, http, exec, grpc } = probe.type ?? {};
  const set = [tcp, http, exec, grpc].filter(Boolean);
  if (set.length !== 1) {
    throw new Fault('invalid_input', `healthchecks.${field}.type: exactly one kind must be set`);
  }
  const port = (given: number | undefined) => {
    const chosen = given ?? ports[0]?.internalPort;
    if (chosen !== undefined) return chosen;
    throw new Fault('invalid_input', `healthchecks.${field}: names no port, and there is none`);
  };
  if (tcp) return { kind: 'TCP', port: port(tcp.port) };
  if (http) return { kind: 'HTTP', path: http.path ?? '/', port: port(http.port) };
  if (exec?.command?.length) return { kind: 'EXEC', command: exec.command };
  const why = grpc ? 'grpc is not available' : 'exec needs a command';
  throw new Fault('invalid_input', `healthchecks.${field}: ${why}`);
}

/** An entrypoint as argv: a JSON list of strings, or words separated by spaces. No shell reads it. */
function words(entrypoint: string): string[] {
  if (!entrypoint.trimStart().startsWith('[')) {
    return entrypoint.split(/\s+/).filter((word) => word !== '');
  }
  try {
    const list: unknown = JSON.parse(entrypoint);
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
  } catch {
    // Said below, like every other wrong content.
  }
  throw new Fault('invalid_input', 'entrypoint: starts like a JSON list of strings and is none');
}
