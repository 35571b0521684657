export { insertHook, type TestHook } from './incoming-webhook.ts';
export { openTestNats, type TestEngineBus, type TestNats, testNats } from './nats.ts';
export { scale } from './scale.ts';
export { seededRandom } from './seeded-random.ts';
export { type TestDatabase, testDatabase } from './test-database.ts';
export { type OutgoingDelivery, postDelivery, signDelivery } from './webhook-sender.ts';
