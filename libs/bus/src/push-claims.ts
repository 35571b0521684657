import { jwtAuthenticator } from '@nats-io/nats-core';
import type { KeyPair } from '@nats-io/nkeys';
import { connect } from '@nats-io/transport-node';
import { Fault } from '@pilotfish/kernel';
import { z } from 'zod';

interface PushOptions {
  readonly url: string;
  /** A user of the system account, which alone may do this, and its key. */
  readonly jwt: string;
  readonly user: KeyPair;
  /** The account JWT to store. */
  readonly claims: string;
}

const Answer = z.looseObject({
  data: z.looseObject({ code: z.int() }).optional(),
  error: z.looseObject({ description: z.string() }).optional(),
});

const pushMsMax = 3000;

/**
 * Replaces an account's JWT on a running server, over a connection of its own that lives for this
 * one request: nothing else should be able to use the system account.
 *
 * @throws Fault `unavailable` without an answer, `internal` where the server refuses
 */
export async function pushAccountClaims(options: PushOptions): Promise<void> {
  let answer: z.infer<typeof Answer>;
  try {
    const connection = await connect({
      servers: options.url,
      authenticator: jwtAuthenticator(options.jwt, options.user.getSeed()),
      name: 'claims',
      reconnect: false,
      timeout: pushMsMax,
    });
    try {
      const message = await connection.request('$SYS.REQ.CLAIMS.UPDATE', options.claims, {
        timeout: pushMsMax,
      });
      answer = Answer.parse(message.json());
    } finally {
      await connection.close();
    }
  } catch (error) {
    throw new Fault('unavailable', 'NATS does not take the list of revocations', { cause: error });
  }
  if (answer.data?.code !== 200) {
    throw new Fault('internal', 'NATS refuses the list of revocations', {
      internal: answer.error?.description ?? JSON.stringify(answer),
    });
  }
}
