import { expect, test } from 'vitest';
import { isSufficientNatsVersion } from './nats-binary.ts';

test.each(['nats-server: v2.10.27', 'nats-server: v2.11.0', 'nats-server: v3.0.0-beta'])(
  '%s is new enough',
  (output) => expect(isSufficientNatsVersion(output)).toBe(true),
);

test.each(['nats-server: v2.10.26', 'nats-server: v2.9.99', 'command not found', ''])(
  '"%s" is not new enough',
  (output) => expect(isSufficientNatsVersion(output)).toBe(false),
);
