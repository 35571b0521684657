import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type HookAtProvider, planHook } from './plan-hook.ts';

const url = 'https://hooks.example/webhook/1';
const byHand = 'https://hooks.example/webhook/2';
const wish = { url, madeId: null, otherUrls: [byHand], events: ['push'], isSecretKnown: true };

function hook(change: Partial<HookAtProvider> = {}): HookAtProvider {
  const hook = { id: '7', url, events: ['push'], isActive: true, hasSecret: true, isJson: true };
  return { ...hook, ...change };
}

test('what is not there is made, whatever else is there', () => {
  expect(planHook([], wish)).toEqual({ kind: 'create' });
  expect(planHook([hook({ url: 'https://ci.example/hook' })], wish)).toEqual({ kind: 'create' });
});

test('what is as wished is left alone', () => {
  expect(planHook([hook()], wish)).toMatchObject({ kind: 'keep', missingEvents: [] });
  expect(planHook([hook({ hasSecret: null })], wish).kind).toBe('keep');
  expect(planHook([hook({ events: ['issues', 'push'] })], wish).kind).toBe('keep');
});

test('whatever is wrong is mended', () => {
  const missing = planHook([hook({ events: ['issues'] })], wish);
  expect(missing).toMatchObject({ kind: 'update', missingEvents: ['push'] });
  expect(planHook([hook({ isActive: false })], wish).kind).toBe('update');
  expect(planHook([hook({ hasSecret: false })], wish).kind).toBe('update');
  expect(planHook([hook({ isJson: false })], wish).kind).toBe('update');
  expect(planHook([hook()], { ...wish, isSecretKnown: false }).kind).toBe('update');
});

test('what somebody entered by hand is taken over, unless ours is there', () => {
  const theirs = hook({ id: '3', url: byHand });
  expect(planHook([theirs], wish)).toMatchObject({ kind: 'update', hook: theirs });
  expect(planHook([theirs, hook()], wish)).toMatchObject({ kind: 'keep', hook: { id: '7' } });
});

test('the one that was made is ours whatever its address, and the others with that address are not', () => {
  const elsewhere = 'https://ci.example/hook';
  const [made, theirs] = [hook({ id: '9', url: elsewhere }), hook({ id: '3', url: elsewhere })];
  expect(planHook([theirs, made], { ...wish, madeId: '9' })).toEqual({
    kind: 'update',
    hook: made,
    missingEvents: [],
    surplus: [],
  });
  expect(planHook([made, hook()], { ...wish, madeId: '9' })).toMatchObject({ hook: { id: '7' } });
  expect(planHook([theirs], { ...wish, madeId: '9' })).toEqual({ kind: 'create' });
});

test('of several with our address the oldest stays, and the others are too many', () => {
  const hooks = ['12', '9', '100'].map((id) => hook({ id }));
  const plan = planHook(hooks, wish);
  expect(plan).toMatchObject({ kind: 'keep', hook: { id: '9' } });
  expect(plan.kind === 'create' ? [] : plan.surplus.map(({ id }) => id)).toEqual(['12', '100']);
});

test('a webhook with another address is never touched', () => {
  const anyHook = fc.record({
    id: fc.nat().map(String),
    url: fc.oneof(fc.constant(url), fc.constant(byHand), fc.webUrl()),
    events: fc.subarray(['push', 'issues', 'tag']),
    isActive: fc.boolean(),
    hasSecret: fc.option(fc.boolean()),
    isJson: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(anyHook), (hooks) => {
      const plan = planHook(hooks, wish);
      const isOurs = (one: HookAtProvider) => one.url === url || one.url === byHand;
      const touched = plan.kind === 'create' ? [] : [plan.hook, ...plan.surplus];
      expect(touched.every((one) => isOurs(one) && one.url === touched[0]?.url)).toBe(true);
      expect(touched.length > 0).toBe(hooks.some(isOurs));
    }),
  );
});
