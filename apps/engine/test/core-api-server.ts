import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { verifyUserSignature } from '@pilotfish/bus';
import {
  credentialsProofText,
  EngineCredentialsRequest,
  EngineEnrolment,
  enrolmentProofText,
} from '@pilotfish/contracts';
import { hashToken } from '@pilotfish/crypto';
import {
  type ClusterId,
  type EngineId,
  newId,
  type OrganizationId,
  systemClock,
} from '@pilotfish/kernel';

export const joinToken = 'pfj_token';

/** core-api as far as an engine knows it: one token, which only its first keys may use. */
export class CoreApiServer {
  readonly engineId = newId<EngineId>();
  readonly clusterId = newId<ClusterId>();
  readonly organizationId = newId<OrganizationId>();
  keys: EngineEnrolment | null = null;
  revoked = false;
  lifeSeconds = 900;
  issued = 0;
  /** Answers that get lost on their way. */
  losing = 0;
  natsUrl = 'nats://127.0.0.1:1';
  /** Makes the credentials of the enrolled key. */
  issueJwt = async (_publicKey: string): Promise<string> => `jwt-${this.issued}`;
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy());
  });

  /** @returns its URL */
  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const [status, body] = await this.#answer(request.url ?? '', JSON.parse(text));
    if (this.losing > 0) {
      this.losing -= 1;
      response.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  async #credentials(publicKey: string) {
    this.issued += 1;
    const expiry = systemClock.now().add({ seconds: this.lifeSeconds });
    return {
      nats_url: this.natsUrl,
      credentials_jwt: await this.issueJwt(publicKey),
      credentials_expire_at: expiry.toString({ smallestUnit: 'millisecond' }),
    };
  }

  async #answer(url: string, body: unknown): Promise<[number, object]> {
    return url === '/engine/enrol'
      ? await this.#enrol(EngineEnrolment.parse(body))
      : await this.#renew(EngineCredentialsRequest.parse(body));
  }

  async #enrol(wanted: EngineEnrolment): Promise<[number, object]> {
    const proof = enrolmentProofText({
      joinTokenHash: hashToken(joinToken),
      identityPublicKey: wanted.identity_public_key,
      sealingPublicKey: wanted.sealing_public_key,
    });
    if (!verifyUserSignature(wanted.identity_public_key, proof, wanted.proof)) {
      return refused(401, 'The proof is wrong');
    }
    const others = this.keys !== null && this.keys.proof !== wanted.proof;
    if (wanted.join_token !== joinToken || others) return refused(401, 'The token is used');
    this.keys = wanted;
    const { engineId: engine_id, clusterId: cluster_id, organizationId: organization_id } = this;
    const credentials = await this.#credentials(wanted.identity_public_key);
    return [200, { engine_id, cluster_id, organization_id, ...credentials }];
  }

  async #renew({ timestamp, signature }: EngineCredentialsRequest): Promise<[number, object]> {
    const proof = credentialsProofText(this.engineId, timestamp);
    const key = this.keys?.identity_public_key ?? '';
    if (!verifyUserSignature(key, proof, signature)) return refused(401, 'Not this engine');
    if (this.revoked) return refused(403, 'This engine was revoked');
    return [200, await this.#credentials(key)];
  }
}

function refused(status: number, detail: string): [number, object] {
  return [status, { status, error: 'x', detail }];
}
