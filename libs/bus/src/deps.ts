import type { MessageDefinition, Party } from '@pilotfish/contracts';
import { assert, type Clock } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { Connection } from './connection.ts';

/** What every part of the bus works with. */
export interface BusDeps {
  readonly connection: Connection;
  readonly party: Party;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The registry says who may be at which end. The server enforces the same by credentials, but only
 * says so later and elsewhere; here the mistake is found where it was made.
 */
export function assertParty(
  { party }: BusDeps,
  side: 'from' | 'to',
  definition: MessageDefinition,
): void {
  assert(definition[side].includes(party), `${party} is not '${side}' of ${definition.subject}`);
}
