import { z } from 'zod';
import { InstantText } from '../ids.ts';
import { AutoscalingPolicyRequest, AutoscalingPolicyResponse } from './autoscaling.ts';
import { base, Description, listOf, ReferenceObject, ResourceName } from './base.ts';
import { Healthcheck } from './healthcheck.ts';

/** Git hosts that the wire can name. Repositories of the built-in git-server take any of them. */
export const GitProvider = z.enum(['BITBUCKET', 'GITHUB', 'GITLAB']);
export type GitProvider = z.infer<typeof GitProvider>;

const BuildMode = z.enum(['DOCKER']);
const CpuArchitecture = z.enum(['AMD64', 'ARM64']);
const PortProtocol = z.enum(['HTTP', 'GRPC', 'TCP', 'UDP']);
const StorageType = z.enum(['FAST_SSD']);
export const ServiceType = z.enum([
  'APPLICATION',
  'DATABASE',
  'CONTAINER',
  'JOB',
  'HELM',
  'TERRAFORM',
  'ARGOCD_APP',
  'AGENTIC_WORKFLOW',
]);
export type ServiceType = z.infer<typeof ServiceType>;

export const ApplicationGitRepositoryRequest = z
  .strictObject({
    url: z.string().min(1).max(2048),
    /** `main` where it is left out. */
    branch: z.string().min(1).max(255).exactOptional(),
    root_path: z.string().max(1024).exactOptional(),
    git_token_id: z.uuid().nullable().exactOptional(),
    provider: GitProvider,
  })
  .meta({ id: 'ApplicationGitRepositoryRequest' });
export type ApplicationGitRepositoryRequest = z.infer<typeof ApplicationGitRepositoryRequest>;

const ApplicationGitRepository = z
  .object({
    has_access: z.boolean().exactOptional(),
    provider: GitProvider,
    owner: z.string(),
    url: z.string(),
    name: z.string(),
    branch: z.string().exactOptional(),
    root_path: z.string().exactOptional(),
    deployed_commit_id: z.string().exactOptional(),
    deployed_commit_date: InstantText.exactOptional(),
    deployed_commit_contributor: z.string().exactOptional(),
    deployed_commit_tag: z.string().exactOptional(),
    git_token_id: z.uuid().nullable().exactOptional(),
    git_token_name: z.string().nullable().exactOptional(),
  })
  .meta({ id: 'ApplicationGitRepository' });

const portFields = {
  name: z.string().min(1).max(255).exactOptional(),
  internal_port: z.int().min(1).max(65_535),
  external_port: z.int().min(1).max(65_535).exactOptional(),
  publicly_accessible: z.boolean(),
  is_default: z.boolean().exactOptional(),
  public_path: z.string().max(2048).exactOptional(),
  public_path_rewrite: z.string().max(2048).exactOptional(),
};

export const ServicePortRequest = z
  .strictObject({
    id: z.uuid().exactOptional(),
    ...portFields,
    protocol: PortProtocol.exactOptional(),
  })
  .meta({ id: 'ServicePortRequest' });
export type ServicePortRequest = z.infer<typeof ServicePortRequest>;

const ServicePortResponse = z
  .object({ id: z.uuid(), ...portFields, protocol: PortProtocol })
  .meta({ id: 'ServicePort' });

const storage = { type: StorageType, size: z.int().min(1), mount_point: z.string() };
const StorageRequest = z.strictObject({ id: z.uuid().exactOptional(), ...storage });

/** Fields that creating and editing have in common. CPU in millicores, memory in MiB. */
const requestFields = {
  storage: z.array(StorageRequest).max(20).exactOptional(),
  build_mode: BuildMode.exactOptional(),
  dockerfile_path: z.string().max(1024).nullable().exactOptional(),
  cpu: z.int().min(10).max(256_000).exactOptional(),
  memory: z.int().min(1).max(1_048_576).exactOptional(),
  gpu: z.int().min(0).exactOptional(),
  ephemeral_storage_in_gib: z.int().min(0).exactOptional(),
  min_running_instances: z.int().min(0).max(50).exactOptional(),
  max_running_instances: z.int().min(1).max(50).exactOptional(),
  healthchecks: Healthcheck,
  auto_preview: z.boolean().exactOptional(),
  arguments: z.array(z.string().max(4096)).max(100).exactOptional(),
  entrypoint: z.string().max(4096).exactOptional(),
  auto_deploy: z.boolean().nullable().exactOptional(),
  annotations_groups: z
    .array(z.strictObject({ id: z.uuid() }))
    .max(100)
    .exactOptional(),
  labels_groups: z
    .array(z.strictObject({ id: z.uuid() }))
    .max(100)
    .exactOptional(),
  icon_uri: z.string().max(2048).exactOptional(),
  docker_target_build_stage: z.string().max(255).nullable().exactOptional(),
  cpu_architecture: CpuArchitecture.nullable().exactOptional(),
  autoscaling: AutoscalingPolicyRequest.exactOptional(),
};

export const ApplicationRequest = z
  .strictObject({
    name: ResourceName,
    description: Description.nullable().exactOptional(),
    git_repository: ApplicationGitRepositoryRequest,
    ports: z.array(ServicePortRequest).max(20).exactOptional(),
    ...requestFields,
  })
  .meta({ id: 'ApplicationRequest' });
export type ApplicationRequest = z.infer<typeof ApplicationRequest>;

export const ApplicationEditRequest = z
  .strictObject({
    name: ResourceName.exactOptional(),
    description: Description.exactOptional(),
    git_repository: ApplicationGitRepositoryRequest.exactOptional(),
    /** A port with a known id is changed, one without (or with an empty one) is new, others go. */
    ports: z
      .array(
        z.strictObject({
          id: z.union([z.uuid(), z.literal('')]).exactOptional(),
          ...portFields,
          protocol: PortProtocol,
        }),
      )
      .max(20)
      .exactOptional(),
    ...requestFields,
  })
  .meta({ id: 'ApplicationEditRequest' });
export type ApplicationEditRequest = z.infer<typeof ApplicationEditRequest>;

const AnnotationsGroup = z.object({
  ...base,
  name: z.string(),
  annotations: z.array(z.object({ key: z.string(), value: z.string() })),
  scopes: z.array(
    z.enum([
      'DEPLOYMENTS',
      'STATEFUL_SETS',
      'SERVICES',
      'INGRESS',
      'GATEWAY_API_ROUTES',
      'HPA',
      'PODS',
      'SECRETS',
      'JOBS',
      'CRON_JOBS',
    ]),
  ),
});
const LabelsGroup = z.object({
  ...base,
  name: z.string(),
  labels: z.array(
    z.object({ key: z.string(), value: z.string(), propagate_to_cloud_provider: z.boolean() }),
  ),
});

/** A service built from a Git repository. `maximun_gpu` is how the wire spells it. */
export const Application = z
  .object({
    ...base,
    storage: z.array(z.object({ id: z.uuid(), ...storage })).exactOptional(),
    environment: ReferenceObject,
    git_repository: ApplicationGitRepository.exactOptional(),
    maximum_cpu: z.int().exactOptional(),
    maximum_memory: z.int().exactOptional(),
    maximun_gpu: z.int().exactOptional(),
    name: z.string(),
    description: z.string().exactOptional(),
    build_mode: BuildMode.exactOptional(),
    dockerfile_path: z.string().nullable().exactOptional(),
    cpu: z.int().exactOptional(),
    memory: z.int().exactOptional(),
    gpu: z.int().exactOptional(),
    ephemeral_storage_in_gib: z.int().exactOptional(),
    cpu_architecture: CpuArchitecture.nullable().exactOptional(),
    min_running_instances: z.int().exactOptional(),
    max_running_instances: z.int().exactOptional(),
    healthchecks: Healthcheck,
    auto_preview: z.boolean().exactOptional(),
    ports: z.array(ServicePortResponse).exactOptional(),
    arguments: z.array(z.string()).exactOptional(),
    entrypoint: z.string().exactOptional(),
    auto_deploy: z.boolean().exactOptional(),
    annotations_groups: z.array(AnnotationsGroup).exactOptional(),
    labels_groups: z.array(LabelsGroup).exactOptional(),
    icon_uri: z.string(),
    service_type: ServiceType,
    docker_target_build_stage: z.string().nullable().exactOptional(),
    autoscaling: AutoscalingPolicyResponse.exactOptional(),
  })
  .meta({ id: 'Application' });
export type Application = z.infer<typeof Application>;

export const ApplicationResponseList = listOf(Application, 'ApplicationResponseList');
