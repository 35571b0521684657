/** One example per message, for docs/messages.md; a test holds each to its schema. */
import type { MessageDefinition, MessageName } from '@pilotfish/contracts';

export interface MessageExample {
  readonly body: unknown;
  /** For request and reply. */
  readonly reply?: unknown;
}

const ids = {
  organizationId: '0199a000-0000-7000-8000-000000000001',
  projectId: '0199a000-0000-7000-8000-000000000002',
  clusterId: '0199a000-0000-7000-8000-000000000003',
  environmentId: '0199a000-0000-7000-8000-000000000004',
} as const;
const executionId = '0199a000-0000-7000-8000-000000000005';
const stageId = '0199a000-0000-7000-8000-000000000006';
const serviceId = '0199a000-0000-7000-8000-000000000007';
const releaseId = '0199a000-0000-7000-8000-000000000008';
const engineId = '0199a000-0000-7000-8000-000000000009';
const commitSha = '6f1c7be2d3a4958677889900aabbccddeeff0011';
const at = '2026-11-20T09:30:00.000Z';

const envelope = {
  v: 1,
  id: `${executionId}.1`,
  epoch: 1,
  generation: 4,
  lease: 1,
  attempt: 1,
  trace: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
};

const release = {
  releaseId,
  source: {
    repositoryUrl: 'https://git.example.com/shop/web.git',
    branch: 'main',
    commitSha,
    rootPath: '/',
  },
  variables: { GREETING: 'hello' },
  secrets: {
    API_KEY: { keyId: 'b1f0…', encapsulated: 'mZ3k…', ciphertext: 'Qk9y…' },
  },
  ports: [{ name: 'p3000', internalPort: 3000, public: true }],
  command: [],
  readiness: {
    type: { kind: 'HTTP', path: '/health', port: 3000 },
    initialDelaySeconds: 0,
    periodSeconds: 1,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 30,
  },
  liveness: null,
  instances: 1,
  buildSecondsMax: 1800,
  memoryMebibytes: 512,
};

export const messageExamples: Readonly<Record<MessageName, MessageExample>> = {
  deliveryReceived: { body: {} },
  outboxWritten: { body: {} },
  environmentTask: {
    body: {
      ...envelope,
      kind: 'environment',
      ...ids,
      executionId,
      action: 'DEPLOY',
      sequenceFloor: 0,
      requestedAt: at,
      stages: [
        {
          stageId,
          name: 'default',
          services: [
            {
              serviceId,
              name: 'web',
              kind: 'APPLICATION',
              action: 'DEPLOY',
              host: 'web-00000007.localhost',
              release,
            },
          ],
        },
      ],
    },
  },
  events: {
    body: {
      ...envelope,
      id: `${executionId}.events.3`,
      ...ids,
      executionId,
      events: [
        {
          sequence: 3,
          at,
          kind: 'line',
          stageId,
          serviceId,
          step: 'BUILD',
          severity: 'INFO',
          text: 'added 1 package',
        },
        {
          sequence: 4,
          at,
          kind: 'service_progressed',
          stageId,
          serviceId,
          progress: 'DEPLOYED',
          releaseId,
        },
        {
          sequence: 5,
          at,
          kind: 'execution_ended',
          outcome: 'SUCCEEDED',
          summary: 'Deployed',
          isolation: 'T0',
        },
      ],
    },
  },
  confirmed: { body: { confirmed: [{ executionId, sequence: 5 }] } },
  logs: {
    body: {
      serviceId,
      lines: [
        {
          sequence: 1,
          at,
          instance: 'web-1',
          version: commitSha,
          stream: 'stdout',
          text: 'listening on 3000',
        },
      ],
    },
  },
  control: {
    body: {
      kind: 'cancel',
      executionId,
      force: false,
      issue: {
        ...envelope,
        organizationId: ids.organizationId,
        projectId: ids.projectId,
        environmentId: ids.environmentId,
        sequenceFloor: 0,
      },
    },
    reply: { kind: 'canceling', known: true },
  },
  hello: {
    body: {
      engineId,
      clusterId: ids.clusterId,
      protocolOldest: 1,
      protocolNewest: 1,
      version: '0.0.0',
      target: 'process',
      isolation: 'T0',
      taskKinds: ['environment'],
      highestEpoch: 1,
      generations: [{ environmentId: ids.environmentId, generation: 4 }],
      openExecutions: [executionId],
    },
    reply: { epoch: 1, lease: 1, refusal: '' },
  },
  heartbeat: {
    body: { engineId, at, runningExecutions: [executionId], freeSlots: 3, highestEpoch: 1 },
  },
};

/** One sentence for each message whose example is missing or is not what its schema accepts. */
export function findWrongExamples(
  messages: Readonly<Record<string, Pick<MessageDefinition, 'body' | 'reply'>>>,
  examples: Readonly<Record<string, MessageExample>>,
): string[] {
  return Object.entries(messages).flatMap(([name, { body, reply }]) => {
    const example = examples[name];
    if (example === undefined) return [`messages.${name} has no example`];
    const wrong = [];
    if (!body.safeParse(example.body).success) wrong.push(`the example of messages.${name}`);
    if (reply !== null && !reply.safeParse(example.reply).success) {
      wrong.push(`the example of the reply to messages.${name}`);
    }
    return wrong.map((what) => `${what} is not what its schema accepts`);
  });
}
