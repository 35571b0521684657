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

test("a NATS server's address is a URL with one of its schemes", () => {
  const nats = z.object({ NATS_URL: fields.natsUrl().describe('nats-server') });
  for (const NATS_URL of ['nats://127.0.0.1:4222', 'tls://n.example.com', 'wss://[::1]:443/x']) {
    expect(parseConfig(nats, { NATS_URL })).toEqual({ ok: true, config: { NATS_URL } });
  }
  for (const NATS_URL of ['xx', '127.0.0.1:4222', 'http://n.example.com', 'nats://', 'nats:x']) {
    expect(parseConfig(nats, { NATS_URL })).toEqual({
      ok: false,
      problems: ['NATS_URL: must be a URL with nats://, tls://, ws:// or wss://'],
    });
  }
});

test('what is wrong with a value is said, not that it is missing', () => {
  const roles = z.object({
    CORE_API_ROLES: fields
      .list()
      .pipe(z.array(z.enum(['api', 'relay'])).min(1))
      .prefault('api')
      .describe('Roles to start'),
    DATABASE_CONNECTIONS: fields.whole(2, 200).default(10).describe('At most'),
  });
  const problemsOf = (env: Record<string, string>) => {
    const result = parseConfig(roles, env);
    return result.ok ? [] : result.problems;
  };
  const [wrong = ''] = problemsOf({ CORE_API_ROLES: 'api,foo' });
  expect(wrong).toMatch(/^CORE_API_ROLES, word 2: .*"api"\|"relay"/);
  expect(problemsOf({ CORE_API_ROLES: ',' })[0]).toMatch(/^CORE_API_ROLES: /);
  for (const value of ['x', '2.5', '1', '201', 'Infinity']) {
    expect(problemsOf({ DATABASE_CONNECTIONS: value })).toEqual([
      'DATABASE_CONNECTIONS: must be a whole number from 2 to 200',
    ]);
  }
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
