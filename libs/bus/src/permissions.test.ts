import { messages, patternOf } from '@pilotfish/contracts';
import { expect, test } from 'vitest';
import { enginePermissions, servicePermissions } from './permissions.ts';

test('an engine may use exactly its own cluster: a new message changes this on purpose only', () => {
  expect(enginePermissions('E', 'C')).toEqual({
    publish: [
      'events.C.*.*',
      'logs.C.*',
      'hello.C',
      'heartbeat.C',
      '$JS.API.CONSUMER.MSG.NEXT.TASKS.C',
      '$JS.API.CONSUMER.INFO.TASKS.C',
      '$JS.ACK.TASKS.C.>',
    ],
    subscribe: ['confirmed.C', 'control.C', '_INBOX_E.>'],
  });
});

test('a gateway may ring its doorbell, and nothing of JetStream is its own', () => {
  expect(servicePermissions('webhook-gateway')).toEqual({
    publish: ['deliveries.received'],
    subscribe: ['_INBOX_webhook-gateway.>'],
  });
  expect(servicePermissions('websocket-gateway').publish).not.toContain('$JS');
});

test('every party may use what the registry says it uses', () => {
  for (const message of Object.values(messages)) {
    const pattern = patternOf(message);
    for (const party of message.from) {
      if (party !== 'engine') expect(servicePermissions(party).publish).toContain(pattern);
    }
    for (const party of message.to) {
      if (party !== 'engine') expect(servicePermissions(party).subscribe).toContain(pattern);
    }
  }
});
