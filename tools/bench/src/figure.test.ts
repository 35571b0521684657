import { expect, test } from 'vitest';
import { figureOf, formatFigures, isMet } from './figure.ts';

test('a figure is the median with its spread', () => {
  expect(figureOf('push', 's', [3, 1, 2])).toMatchObject({ median: 2, min: 1, max: 3 });
  expect(figureOf('push', 's', [4, 1, 2, 3])).toMatchObject({ median: 2.5 });
});

test('a figure without a sample is none', () => {
  expect(() => figureOf('push', 's', [])).toThrow('nothing measured');
});

test('a missed goal is called so', () => {
  const missed = figureOf('push', 's', [6], { max: 5, aim: 2 });
  expect(isMet(missed)).toBe(false);
  expect(formatFigures([missed])).toContain('≤ 5, aim 2: MISSED');
});

test('a goal is met without its aim, and with it', () => {
  const goal = { min: 12, aim: 18 };
  expect(formatFigures([figureOf('rate', '/s', [15], goal)])).toMatch(/≥ 12, aim 18: met$/);
  expect(formatFigures([figureOf('rate', '/s', [18], goal)])).toContain('met with its aim');
  expect(formatFigures([figureOf('push', 's', [3], { max: 5 })])).toMatch(/≤ 5: met$/);
});
