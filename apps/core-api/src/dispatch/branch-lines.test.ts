import { newId, type OrganizationId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createBranchLines } from './branch-lines.ts';

interface Delivery {
  readonly organizationId: OrganizationId;
  readonly name: string;
}

/** Questions that are answered by hand. */
function newLines(options: { slots?: number; slotsPerOrganization?: number; max?: number } = {}) {
  const asked: { names: string; answer: () => void }[] = [];
  let rooms = 0;
  const lines = createBranchLines<Delivery>({
    slots: options.slots ?? 4,
    slotsPerOrganization: options.slotsPerOrganization ?? 2,
    perOrganizationMax: options.max ?? 100,
    answer(deliveries) {
      const { promise, resolve } = Promise.withResolvers<void>();
      asked.push({ names: deliveries.map(({ name }) => name).join(' '), answer: resolve });
      return promise;
    },
    onRoom: () => {
      rooms += 1;
    },
  });
  const names = () => asked.map((question) => question.names);
  const answer = async (n: number) => {
    asked[n]?.answer();
    // The line goes on in a microtask or two.
    await new Promise(setImmediate);
  };
  return { lines, names, answer, rooms: () => rooms };
}

const acme = newId<OrganizationId>();
const other = newId<OrganizationId>();
const of = (organizationId: OrganizationId, ...names: string[]) =>
  names.map((name) => ({ organizationId, name }));

test('what arrives while Git is asked is answered by the next single question', async () => {
  const { lines, names, answer } = newLines();
  lines.add('main', of(acme, 'a', 'b'));
  lines.add('main', of(acme, 'c'));
  lines.add('main', of(acme, 'd', 'e'));
  expect(names()).toEqual(['a b']);
  await answer(0);
  expect(names()).toEqual(['a b', 'c d e']);
  await answer(1);
  await lines.settled();
  expect(names()).toHaveLength(2);
});

test('the slow Git host of one organization leaves slots to the others', async () => {
  const { lines, names, answer } = newLines({ slots: 3, slotsPerOrganization: 2 });
  for (const name of ['a', 'b', 'c']) lines.add(name, of(acme, name));
  lines.add('x', of(other, 'x'));
  lines.add('y', of(other, 'y'));
  expect(names()).toEqual(['a', 'b', 'x']);
  await answer(0);
  // In turn: the third of the first organization has waited longer than the other's second.
  expect(names()).toEqual(['a', 'b', 'x', 'c']);
  await answer(2);
  expect(names()).toEqual(['a', 'b', 'x', 'c', 'y']);
});

test('an organization with too much in hand is full until some of it is answered', async () => {
  const { lines, answer, rooms } = newLines({ max: 3 });
  lines.add('main', of(acme, 'a', 'b'));
  lines.add('main', of(acme, 'c', 'd'));
  lines.add('main', of(other, 'x'));
  expect(lines.full()).toEqual([acme]);
  await answer(0);
  expect(lines.full()).toEqual([]);
  expect(rooms()).toBe(1);
});

test('closed, it asks nothing more and gives back who waited', async () => {
  const { lines, names, answer } = newLines({ slots: 1 });
  lines.add('main', of(acme, 'a'));
  lines.add('main', of(acme, 'b'));
  lines.add('next', of(acme, 'c'));
  expect(lines.close().map(({ name }) => name)).toEqual(['c', 'b']);
  await answer(0);
  await lines.settled();
  expect(names()).toEqual(['a']);
});
