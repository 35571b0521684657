import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGit } from '../src/index.ts';
import { type Fixture, faultOf, makeFixture } from './fixture.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await makeFixture();
});
afterEach(() => fixture.close());

/** How many processes have `text` in this file of theirs below /proc. */
function processesWith(file: 'cmdline' | 'environ', text: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const read = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      return ''; // It has ended meanwhile.
    }
  };
  return pids.filter((pid) => read(pid).includes(text)).length;
}

describe('credentials', () => {
  const credentials = { username: 'ada', password: 'p@ss word/%"$(id)' };

  test('reach the host they are for', async () => {
    const commit = await fixture.commit({ a: '1' });
    const host = await fixture.serve({ login: `ada:${credentials.password}` });
    const heads = await fixture.git.listHeads(host.repository, { credentials });
    expect(heads.get('main')).toBe(commit);
    const into = join(fixture.root, 'private');
    await fixture.git.fetchCommit({ url: host.repository, commit, into, credentials });
    expect(await readdir(into)).toEqual(['a']);
  });

  test('are in the environment of Git, and in no argument of any process', async () => {
    await fixture.commit({ a: '1' });
    const met = { environments: 0, argvs: 0 };
    const host = await fixture.serve({
      login: `ada:${credentials.password}`,
      onAuthorized() {
        met.environments += processesWith('environ', credentials.password);
        met.argvs += processesWith('cmdline', credentials.password);
      },
    });
    await fixture.git.listHeads(host.repository, { credentials });
    expect(met.environments).toBeGreaterThan(0);
    expect(met.argvs).toBe(0);
  });

  test.each([
    ['https', 'git.example', true],
    ['http', 'git.example', false],
    ['https', 'git.example:8443', false],
    ['https', 'git.example.evil', false],
    ['https', 'evil', false],
  ])('for https://git.example: %s://%s is given them: %s', async (protocol, host, isGiven) => {
    const input = `protocol=${protocol}\nhost=${host}\n\n`;
    const url = new URL('https://git.example/x.git');
    const filled = await fixture.git.run(['credential', 'fill'], { url, credentials, input }).then(
      ({ stdout }) => stdout.toString(),
      (error: unknown) => String(error),
    );
    expect(filled.includes(`password=${credentials.password}`)).toBe(isGiven);
  });

  test('need no file that could stay behind a killed process', async () => {
    await fixture.commit({ a: '1' });
    const host = await fixture.serve({ login: `ada:${credentials.password}` });
    const folder = join(fixture.root, 'tmp');
    await mkdir(folder);
    const git = createGit({ cacheFolder: join(fixture.root, 'c3') });
    const before = process.env.TMPDIR;
    process.env.TMPDIR = folder;
    try {
      await git.listHeads(host.repository, { credentials });
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test('with a line break are refused before Git starts', async () => {
    const password = 'x\nhost=evil.example';
    const asked = fixture.git.listHeads('http://127.0.0.1:1/x', {
      credentials: { username: 'ada', password },
    });
    const fault = await faultOf(asked);
    expect(fault.code).toBe('invalid_input');
    expect(fault.detail).toBe('The Git token contains a line break.');
  });

  test('that are wrong or missing are a plain refusal without the secret', async () => {
    const host = await fixture.serve({ login: 'somebody:else' });
    for (const [options, reason] of [
      [{ credentials }, 'refused the Git token'],
      [{}, 'needs a Git token'],
    ] as const) {
      const fault = await faultOf(fixture.git.listHeads(host.repository, options));
      expect(fault.code).toBe('forbidden');
      expect(fault.detail).toContain(reason);
      expect(`${fault.detail} ${fault.internal}`).not.toContain(credentials.password);
    }
  });

  test('are not handed to another host that the first one redirects to', async () => {
    await fixture.commit({ a: '1' });
    const thief = await fixture.serve({ login: 'never:matches' });
    const host = await fixture.serve({ redirectTo: thief.url });
    const fault = await faultOf(fixture.git.listHeads(host.repository, { credentials }));
    expect(fault.code).toBe('forbidden');
    expect(thief.seen).toEqual([]);
  });
});
