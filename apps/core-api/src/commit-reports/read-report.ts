import type { Explanation } from '@pilotfish/contracts';
import { type CommitStatus as CommitState, commitStatusOf } from '@pilotfish/domain-deploy';
import type { CommitStatus } from '@pilotfish/git-providers';
import { unreachable } from '@pilotfish/kernel';
import {
  findGitToken,
  type GitTokenRow,
  getEnvironment,
  getExecution,
  getProject,
  getService,
  listExecutionServices,
  type TenantTransaction,
  type WantedReport,
} from '@pilotfish/store';
import { serviceUrl } from '../handlers/service-url.ts';

/** What a provider is told about one commit, and how it is reached. */
export interface ReportToSend {
  readonly token: GitTokenRow;
  readonly repositoryUrl: string;
  readonly status: CommitStatus;
}

/**
 * As it is now; null where the service has no token any more.
 *
 * @throws Fault `not_found` where the service is deleted
 */
export async function readReport(
  tx: TenantTransaction,
  { serviceId, executionId }: WantedReport,
  applicationsUrl: string,
): Promise<ReportToSend | null> {
  const service = await getService(tx, serviceId);
  const found = service.gitTokenId === null ? null : await findGitToken(tx, service.gitTokenId);
  if (found === null) return null;
  const parts = await listExecutionServices(tx, [executionId]);
  const part = parts.find((one) => one.serviceId === serviceId);
  const state = part && commitStatusOf(part.progress);
  if (!state) return null;
  const { environment } = await getEnvironment(tx, service.environmentId);
  const project = await getProject(tx, environment.projectId);
  const { explanation } = await getExecution(tx, executionId);
  const place = `${project.name}/${environment.name}`;
  return {
    token: found.token,
    repositoryUrl: service.spec.git.url,
    status: {
      state,
      context: `pilotfish/${place}/${service.name}`,
      description: describe(state, place, part.failure, explanation),
      url: serviceUrl(service, applicationsUrl) ?? applicationsUrl,
    },
  };
}

/** One sentence, as people read it beside the commit. */
function describe(
  state: CommitState,
  place: string,
  failure: Explanation | null,
  explanation: string,
): string {
  switch (state) {
    case 'pending':
      return `Is being deployed to ${place}`;
    case 'success':
      return `Deployed to ${place}`;
    case 'failure':
      return failure?.summary ?? `Could not be deployed to ${place}`;
    case 'canceled':
      return explanation === '' ? `Was not deployed to ${place}` : explanation;
    default:
      return unreachable(state);
  }
}
