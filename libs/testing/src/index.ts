export { type TestEngineBus, type TestNats, testNats } from './nats.ts';
export { type TestDatabase, testDatabase } from './test-database.ts';
export { type OutgoingDelivery, postDelivery, signDelivery } from './webhook-sender.ts';
