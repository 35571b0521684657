import type { Sealed, ServiceTask } from '@pilotfish/contracts';
import { openSealed, type SealingKeyPair } from '@pilotfish/crypto';
import type { OpenSecrets } from '../execution/run-service.ts';

/** Opens a service's secrets for one execution. Nothing opened is kept beyond it. */
export function createOpenSecrets(sealingKey: SealingKeyPair): OpenSecrets {
  return async ({ executionId }, { serviceId, release }: ServiceTask) => {
    if (release === null) return { secrets: {}, sourcePassword: undefined };
    const open = (field: string, sealed: Sealed) =>
      openSealed(sealingKey, sealed, { executionId, serviceId, field });
    const secrets: Record<string, string> = {};
    for (const [name, sealed] of Object.entries(release.secrets)) {
      secrets[name] = await open(`secrets.${name}`, sealed);
    }
    const { password } = release.source;
    return {
      secrets,
      sourcePassword: password === undefined ? undefined : await open('source.password', password),
    };
  };
}
