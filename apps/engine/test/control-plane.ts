import type { Bus } from '@pilotfish/bus';
import { taskMessageId } from '@pilotfish/bus';
import {
  type ControlReply,
  type ControlRequest,
  type EnvironmentTask,
  type EventBatch,
  type Hello,
  type HelloReply,
  type LogBatch,
  messages,
} from '@pilotfish/contracts';
import type { ClusterId, ExecutionId } from '@pilotfish/kernel';

type Event = EventBatch['events'][number];

/** The least that an engine needs on the other side: tasks out, events in, confirmations, hello. */
export interface TestControlPlane {
  publish(task: EnvironmentTask): Promise<void>;
  /** Everything heard of an execution, by sequence; the first content of a sequence wins. */
  events(executionId: ExecutionId): Event[];
  terminals(executionId: ExecutionId): Event[];
  ended(executionId: ExecutionId): boolean;
  control(request: ControlRequest): Promise<ControlReply>;
  readonly batches: EventBatch[];
  readonly hellos: Hello[];
  readonly logs: LogBatch[];
  /** Sequences that were told twice with different content: has to stay empty. */
  readonly contradictions: string[];
  confirming: boolean;
  helloReply: HelloReply;
}

/** Speaks for core-api on its bus; streams and the cluster's consumer are made here. */
export async function testControlPlane(bus: Bus, clusterId: ClusterId): Promise<TestControlPlane> {
  await bus.ensureStreams();
  await bus.ensureTaskConsumer(clusterId);
  const heard = new Map<ExecutionId, Map<number, Event>>();
  const plane: TestControlPlane = {
    batches: [],
    hellos: [],
    logs: [],
    contradictions: [],
    confirming: true,
    helloReply: { epoch: 1, lease: 1, refusal: '' },
    async publish(task) {
      const { environmentId, executionId, attempt } = task;
      const messageId = taskMessageId(executionId, attempt);
      const parameters = { clusterId, environmentId };
      await bus.publish(messages.environmentTask, parameters, task, { messageId });
    },
    events: (executionId) =>
      [...(heard.get(executionId)?.values() ?? [])].toSorted((a, b) => a.sequence - b.sequence),
    terminals: (executionId) =>
      plane.events(executionId).filter(({ kind }) => kind === 'execution_ended'),
    ended: (executionId) => plane.terminals(executionId).length > 0,
    control: (request) =>
      bus.request(messages.control, { clusterId }, request, { timeoutMs: 3000 }),
  };

  function hear(batch: EventBatch): void {
    plane.batches.push(batch);
    const events = heard.get(batch.executionId) ?? new Map<number, Event>();
    heard.set(batch.executionId, events);
    for (const event of batch.events) {
      const before = events.get(event.sequence);
      if (before === undefined) events.set(event.sequence, event);
      else if (JSON.stringify(before) !== JSON.stringify(event)) {
        plane.contradictions.push(`${JSON.stringify(before)} / ${JSON.stringify(event)}`);
      }
    }
    let sequence = 0;
    while (events.has(sequence + 1)) sequence += 1;
    if (!plane.confirming) return;
    const confirmed = [{ executionId: batch.executionId, sequence }];
    bus.ring(messages.confirmed, { clusterId }, { confirmed });
  }

  bus.subscribe(messages.events, { clusterId }, ({ body }) => hear(body));
  bus.respond(messages.hello, { clusterId }, async ({ body }) => {
    plane.hellos.push(body);
    return plane.helloReply;
  });
  return plane;
}
