import { Fault } from '@pilotfish/kernel';
import { listChained, openStore, verifyAuditChain } from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import { databaseUrl } from '../identity.ts';
import type { Command } from './command.ts';

/**
 * `core-api verify-audit`: computes every organization's chain of audit events anew. Needs the
 * database alone, so that a backup can be checked as well.
 *
 * @throws Fault `internal` naming the first event of each chain that was changed, removed or added
 */
export const verifyAudit: Command = async ({ config, logger }) => {
  const store = await openStore({
    url: await databaseUrl(config),
    name: 'core-api-verify-audit',
    max: 2,
    rolePrefix: config.DATABASE_ROLE_PREFIX,
  });
  try {
    const broken: string[] = [];
    for (const organizationId of await store.system('worker', listChained)) {
      const context = systemContext(organizationId, 'verify-audit');
      const position = await store.tenant(context, verifyAuditChain);
      if (position === null) logger.info({ organizationId }, 'the chain of audit events is whole');
      else broken.push(`organization ${organizationId} at position ${position}`);
    }
    if (broken.length > 0) {
      throw new Fault('internal', `The chain of audit events is broken: ${broken.join('; ')}`);
    }
  } finally {
    await store.close();
  }
};
