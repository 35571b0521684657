import { expect, test } from 'vitest';
import { type Attempt, collectFailed } from './failed-deliveries.ts';

const at = (minute: number) =>
  Temporal.Instant.from('2026-11-29T12:00:00Z').add({ minutes: minute });

function attempt(id: number, change: Partial<Attempt> = {}): Attempt {
  const base = { id: String(id), eventId: `event ${id}`, event: 'push', status: 500 };
  return { ...base, deliveredAt: at(id), isDelivered: false, ...change };
}

/** One page with the newest first. */
const pageOf = (...attempts: Attempt[]) => {
  const pages = [attempts];
  return async () => pages.shift() ?? null;
};

test('what was made after the last look is seen, however far ahead our clock is', async () => {
  const page = pageOf(attempt(12), attempt(11), attempt(10), attempt(9));
  const found = await collectFailed(page, { id: '10', at: at(60) }, 5);
  expect(found.failed.map(({ id }) => id)).toEqual(['11', '12']);
  expect(found).toMatchObject({ newestId: '12', isComplete: true });
});

test('what appears late is seen where it is not older than the overlap', async () => {
  const page = pageOf(attempt(10), attempt(9), attempt(8), attempt(7));
  const found = await collectFailed(page, { id: '10', at: at(8) }, 5);
  expect(found.failed.map(({ id }) => id)).toEqual(['8', '9', '10']);
});

test('where a provider tells no times, only newer ones are looked at', async () => {
  const timeless = [12, 11, 10].map((id) => attempt(id, { deliveredAt: null }));
  const found = await collectFailed(pageOf(...timeless), { id: '10', at: at(0) }, 5);
  expect(found.failed.map(({ id }) => id)).toEqual(['11', '12']);
});

test('an event of which a later attempt arrived is none that failed', async () => {
  const page = pageOf(
    attempt(3, { eventId: 'a', isDelivered: true }),
    attempt(2, { eventId: 'a' }),
  );
  const found = await collectFailed(page, { id: null, at: at(0) }, 5);
  expect(found.failed).toEqual([]);
});
