import type { Organization } from '@pilotfish/contracts/http';
import { Fault } from '@pilotfish/kernel';
import {
  appendAudit,
  deleteOrganization,
  getOrganization,
  updateOrganization,
} from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { contextFor } from '../api/tenant.ts';
import { deleteGitTokens } from '../git-tokens/delete-git-token.ts';
import { createOwnOrganization } from '../handlers/create-own-organization.ts';
import { organizationWire } from './organization-wire.ts';
import { defined } from './wire.ts';

export const organizationRoutes: Handlers<
  | 'listOrganization'
  | 'createOrganization'
  | 'getOrganization'
  | 'editOrganization'
  | 'deleteOrganization'
> = {
  async listOrganization({ principal, trace }, { store }) {
    const results: Organization[] = [];
    for (const { organizationId } of principal?.memberships ?? []) {
      if (principal === null) break;
      const context = contextFor(principal, organizationId, 'organization:read', trace);
      results.push(
        await store.tenant(context, async (tx) => organizationWire(tx, await getOrganization(tx))),
      );
    }
    return { results };
  },

  async createOrganization(call, deps) {
    const { principal, body } = call;
    // A token acts in its own organization: what it made it could not even see.
    if (principal?.kind !== 'user') {
      throw new Fault('forbidden', 'Only a user can create an organization, not an API token');
    }
    if (body.admin_emails?.length) {
      throw new Fault('invalid_input', 'admin_emails: invitations by e-mail are not available');
    }
    return await createOwnOrganization(deps, { ...call, principal });
  },

  async getOrganization({ read }) {
    return await read(async (tx) => organizationWire(tx, await getOrganization(tx)));
  },

  async editOrganization({ body, write, now }) {
    return await write(async (tx) => {
      const row = await updateOrganization(
        tx,
        now,
        defined({
          name: body.name,
          description: body.description,
          websiteUrl: body.website_url,
          repository: body.repository,
          logoUrl: body.logo_url,
          iconUrl: body.icon_url,
        }),
      );
      await appendAudit(tx, now, {
        action: 'organization.edited',
        targetKind: 'organization',
        targetId: row.id,
      });
      return await organizationWire(tx, row);
    });
  },

  async deleteOrganization({ params, write, now }) {
    return await write(async (tx) => {
      await deleteOrganization(tx, now);
      // No secret outlives whom it belongs to.
      await deleteGitTokens(tx, now);
      await appendAudit(tx, now, {
        action: 'organization.deleted',
        targetKind: 'organization',
        targetId: params.organizationId,
      });
      return undefined;
    });
  },
};
