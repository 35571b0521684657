/**
 * Which subjects a party may use, derived from the registry of messages: a new message brings its
 * permissions along, and nothing is allowed that no message needs.
 */
import {
  type MessageDefinition,
  messages,
  type Party,
  patternOf,
  streams,
} from '@pilotfish/contracts';

/** Subjects in NATS' notation. What is not listed is denied. */
export interface SubjectPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Where the answers to a party's requests arrive. Nobody else may listen there. */
export function inboxPrefixOf(name: string): string {
  return `_INBOX_${name}`;
}

const all: readonly MessageDefinition[] = Object.values(messages);

/** A service of the control plane: all clusters, JetStream only for core-api, which owns it. */
export function servicePermissions(party: Exclude<Party, 'engine'>): SubjectPermissions {
  const publish = all.filter((m) => m.from.includes(party)).map((m) => patternOf(m));
  const subscribe = all.filter((m) => m.to.includes(party)).map((m) => patternOf(m));
  if (party === 'core-api') publish.push(...jetStreamOwner());
  return { publish, subscribe: [...subscribe, `${inboxPrefixOf(party)}.>`] };
}

/**
 * An engine: the subjects of its own cluster. Its tasks it may only pull from the consumer that
 * core-api made for the cluster; it can neither make nor change one, nor listen to tasks directly.
 */
export function enginePermissions(engineId: string, clusterId: string): SubjectPermissions {
  const ofCluster = (message: MessageDefinition) =>
    // Every engine subject carries its cluster; one that did not would be open to all of them.
    message.subject.includes('{clusterId}') ? patternOf(message, { clusterId } as object) : null;
  const from = all.filter((m) => m.from.includes('engine')).map(ofCluster);
  const to = all.filter((m) => m.to.includes('engine') && m.stream === null).map(ofCluster);
  const pulled = all.filter((m) => m.to.includes('engine')).flatMap((m) => m.stream ?? []);
  const pull = [...new Set(pulled)].flatMap((stream) => [
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${clusterId}`,
    `$JS.API.CONSUMER.INFO.${stream}.${clusterId}`,
    `$JS.ACK.${stream}.${clusterId}.>`,
  ]);
  return {
    publish: [...from.filter((s) => s !== null), ...pull],
    subscribe: [...to.filter((s) => s !== null), `${inboxPrefixOf(engineId)}.>`],
  };
}

function jetStreamOwner(): string[] {
  return Object.keys(streams).flatMap((stream) => [
    `$JS.API.STREAM.*.${stream}`,
    `$JS.API.CONSUMER.*.${stream}`,
    `$JS.API.CONSUMER.*.${stream}.>`,
    `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.ACK.${stream}.>`,
  ]);
}
