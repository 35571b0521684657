import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeConfig, fields, formatConfigHelp, parseConfig } from './config.ts';

const schema = z.object({
  EDGE_PORT: fields.port().default(8080).describe('Where browsers connect'),
  DATABASE_URL: z.url().describe('PostgreSQL'),
  CORE_API_ROLES: fields.list().describe('Roles to start'),
  QUIET: fields.flag().optional().describe('Say less'),
});

test('a complete environment becomes a typed configuration', () => {
  const result = parseConfig(schema, {
    DATABASE_URL: 'postgres://localhost/x',
    CORE_API_ROLES: 'api, relay,',
    QUIET: 'true',
    UNRELATED: 'ignored',
  });
  expect(result).toEqual({
    ok: true,
    config: {
      EDGE_PORT: 8080,
      DATABASE_URL: 'postgres://localhost/x',
      CORE_API_ROLES: ['api', 'relay'],
      QUIET: true,
    },
  });
});

test('all problems are reported at once, without the values', () => {
  const result = parseConfig(schema, { EDGE_PORT: '70000', DATABASE_URL: 'hunter2', QUIET: '' });
  expect(result.ok).toBe(false);
  const problems = result.ok ? [] : result.problems;
  expect(problems).toHaveLength(3);
  expect(problems[0]).toContain('EDGE_PORT');
  expect(problems[1]).toContain('DATABASE_URL');
  expect(problems[2]).toBe('CORE_API_ROLES is not set, and it has no default');
  expect(problems.join()).not.toContain('hunter2');
});

test('the help names every variable with its default or that it is required', () => {
  const help = formatConfigHelp('edge', describeConfig(schema));
  expect(help).toContain('EDGE_PORT       Where browsers connect (default 8080)');
  expect(help).toContain('DATABASE_URL    PostgreSQL (required)');
  expect(help).toContain('QUIET           Say less\n');
});

test('a variable without description is refused', () => {
  expect(() => describeConfig(z.object({ A: z.string() }))).toThrow('A has no description');
});
