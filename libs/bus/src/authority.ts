/**
 * Who may connect to NATS. The server runs in operator mode: it trusts the operator's key, knows
 * the accounts by the JWTs in its resolver, and users by JWTs that the account's signing key
 * issued, so admitting an engine needs no change on the server. What was revoked stands in the
 * account's JWT, which is rendered from the database and pushed at every connect, because the
 * resolver's folder may be lost.
 *
 * `@nats-io/jwt` calls itself unsupported, hence it is used nowhere else.
 */
import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt';
import { createUser, fromPublic } from '@nats-io/nkeys';
import type { Party } from '@pilotfish/contracts';
import { assert, type Clock } from '@pilotfish/kernel';
import type { AuthorityKeys } from './authority-keys.ts';
import { enginePermissions, type SubjectPermissions, servicePermissions } from './permissions.ts';
import { pushAccountClaims } from './push-claims.ts';
import { renderServerConfig, type ServerConfigOptions } from './server-config.ts';

/** Longest life of an engine's credentials: what a stolen JWT is worth without a revocation. */
export const engineCredentialSecondsMax = 15 * 60;

/** A user that is not let in any more, whatever its JWT says. */
export interface Revocation {
  /** The engine's public identity (nkey, `U…`). */
  readonly publicKey: string;
  /** Every JWT issued up to this instant is void. */
  readonly at: Temporal.Instant;
}

export interface EngineIdentity {
  readonly engineId: string;
  readonly clusterId: string;
  /** The engine's own key (nkey, `U…`); its private half never leaves the engine. */
  readonly publicKey: string;
}

export interface Authority {
  /** The configuration that a server needs to start; no secret in it. */
  serverConfig(options: ServerConfigOptions, revocations: readonly Revocation[]): Promise<string>;
  /** A credentials file (JWT and seed) for one service, without expiry. Mode 0600 is the caller's. */
  serviceCredentials(party: Exclude<Party, 'engine'>): Promise<string>;
  /**
   * A JWT for an engine's own key: only its cluster's subjects and its inbox.
   *
   * @throws Fault `internal` for more than 15 minutes
   */
  engineJwt(engine: EngineIdentity, lifeSeconds: number): Promise<string>;
  /**
   * Gives a running server the account with exactly these revocations; those revoked are cut off
   * at once. To be called at each connect and after each change of the list.
   *
   * @throws Fault `unavailable` where the server does not answer, `internal` where it refuses
   */
  pushRevocations(url: string, revocations: readonly Revocation[]): Promise<void>;
  /** For a server that is not ours to configure: what its administrator has to add. */
  readonly publicKeys: { operator: string; systemAccount: string; account: string };
}

/** Every limit has to be said: what an account's JWT leaves out counts as zero, not as free. */
const unlimited = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
} as const;
const unlimitedJetStream = {
  mem_storage: -1,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
  mem_max_stream_bytes: -1,
  disk_max_stream_bytes: -1,
  max_bytes_required: false,
  max_ack_pending: -1,
} as const;

/** Somebody who was asked may answer once, within this time, and without a permission of its own. */
const responses = { max: 1, ttl: 60 * 1_000_000_000 };

export function createAuthority(keys: AuthorityKeys, { clock }: { clock: Clock }): Authority {
  const publicKeys = {
    operator: keys.operator.getPublicKey(),
    systemAccount: keys.systemAccount.getPublicKey(),
    account: keys.account.getPublicKey(),
  };
  const accountJwt = (revocations: readonly Revocation[]) =>
    encodeAccount(
      'pilotfish',
      keys.account,
      {
        limits: { ...unlimited, ...unlimitedJetStream },
        signing_keys: [keys.accountSigning.getPublicKey()],
        revocations: Object.fromEntries(revocations.map((r) => [r.publicKey, seconds(r.at)])),
      },
      { signer: keys.operator },
    );
  const systemJwt = () =>
    encodeAccount('SYS', keys.systemAccount, { limits: unlimited }, { signer: keys.operator });
  return {
    publicKeys,
    async serverConfig(options, revocations) {
      const operatorJwt = await encodeOperator('pilotfish', keys.operator, {
        system_account: publicKeys.systemAccount,
      });
      const accounts = {
        [publicKeys.systemAccount]: await systemJwt(),
        [publicKeys.account]: await accountJwt(revocations),
      };
      const { systemAccount } = publicKeys;
      return renderServerConfig(options, { operatorJwt, systemAccount, accounts });
    },
    async serviceCredentials(party) {
      const user = createUser();
      const jwt = await encodeUser(
        party,
        user,
        keys.account,
        userClaims(servicePermissions(party)),
        { signer: keys.accountSigning },
      );
      return new TextDecoder().decode(fmtCreds(jwt, user));
    },
    async engineJwt({ engineId, clusterId, publicKey }, lifeSeconds) {
      assert(lifeSeconds <= engineCredentialSecondsMax, 'credentials of an engine are short-lived');
      return await encodeUser(
        `engine-${engineId}`,
        fromPublic(publicKey),
        keys.account,
        userClaims(enginePermissions(engineId, clusterId)),
        { signer: keys.accountSigning, exp: seconds(clock.now()) + lifeSeconds },
      );
    },
    async pushRevocations(url, revocations) {
      const user = createUser();
      const exp = seconds(clock.now()) + 60;
      const jwt = await encodeUser('claims', user, keys.systemAccount, {}, { exp });
      await pushAccountClaims({ url, jwt, user, claims: await accountJwt(revocations) });
    },
  };
}

function userClaims({ publish, subscribe }: SubjectPermissions) {
  return {
    pub: { allow: [...publish] },
    sub: { allow: [...subscribe] },
    resp: responses,
  };
}

function seconds(instant: Temporal.Instant): number {
  return Math.floor(instant.epochMilliseconds / 1000);
}
