import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fixture, makeFixture, waitUntil } from './fixture.ts';
import { deliveryWithExecution, ids, line, startWebSocketGateway } from './stand-ins.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await makeFixture();
});
afterEach(() => fixture.close());

type StandIn = Awaited<ReturnType<typeof startWebSocketGateway>>;

/** What a push of main prints whose delivery started an execution. */
async function push(sockets: StandIn) {
  fixture.alsoClose(sockets);
  fixture.coreApi.delivery = deliveryWithExecution();
  const { url } = await fixture.start({ webSocketUrl: sockets.url });
  const work = await fixture.workTree();
  return await fixture.git(work, 'push', fixture.remote(url), 'main');
}

describe('the pusher reads the log of the deployment', () => {
  test('line by line to its end, across a reconnect, each line once', async () => {
    const asked: (string | null)[] = [];
    const sockets = await startWebSocketGateway((socket, url) => {
      asked.push(url.searchParams.get('after'));
      const send = (...lines: unknown[]) => socket.send(JSON.stringify(lines));
      if (asked.length === 1) {
        send(line(1, 'npm ci\u001b[31m red'), line(2, 'npm run build'));
        socket.close(1013, 'too slow');
        return;
      }
      const end = { execution_id: ids.execution, outcome: 'SUCCEEDED' } as never;
      send(line(3, 'healthy'), line(4, 'done', { execution_ended: end }));
    });
    const { code, output } = await push(sockets);
    expect(code, output).toBe(0);
    const lines = output
      .split('\n')
      .filter((one) => one.startsWith('remote:'))
      .map((one) => one.replace('remote: ', '').trimEnd());
    expect(lines).toEqual([
      'Commit 0123 of branch main deploys web.',
      '[build] npm ci red',
      '[build] npm run build',
      '[build] healthy',
      '[build] done',
      '✓ web is live: http://web.localhost:8080',
    ]);
    expect(asked).toEqual([null, `${ids.execution}:2`]);
  });

  test('with the explanation of a failure', async () => {
    const sockets = await startWebSocketGateway((socket) => {
      const error = {
        tag: 'BUILD_FAILED',
        user_log_message: 'The build ended with exit code 1.',
        hint_message: 'Run npm run build on your machine.',
        underlying_error: { full_details: 'Error: x is not defined\n    at build.js:1' },
      };
      const end = { execution_id: ids.execution, outcome: 'FAILED' } as never;
      socket.send(JSON.stringify([line(1, '', { error }), line(2, '', { execution_ended: end })]));
    });
    const { code, output } = await push(sockets);
    expect(code, output).toBe(0);
    expect(output).toContain('✗ The build ended with exit code 1.');
    expect(output).toContain('Error: x is not defined');
    expect(output).toContain('→ Run npm run build on your machine.');
    expect(output).toContain('What was live before still is.');
  });

  test('on to the execution that took over, as often as one does', async () => {
    const followed: (string | null)[] = [];
    const sockets = await startWebSocketGateway((socket, url) => {
      const version = url.searchParams.get('version');
      followed.push(version);
      // Of each, the next one takes over while it is followed.
      const next = { [ids.execution]: ids.newer, [ids.newer]: ids.newest }[version ?? ''];
      fixture.coreApi.delivery = deliveryWithExecution(next ?? ids.newest);
      const outcome = next === undefined ? 'SUCCEEDED' : 'CANCELED';
      const end = { execution_id: version, outcome } as never;
      const text = next === undefined ? 'healthy' : 'Never started: request 7 stands for it.';
      socket.send(JSON.stringify([line(1, text, { execution_ended: end })]));
    });
    const { code, output } = await push(sockets);
    expect(code, output).toBe(0);
    expect(followed).toEqual([ids.execution, ids.newer, ids.newest]);
    expect(output.match(/Taken over by a newer request: its log follows\./g)).toHaveLength(2);
    expect(output).toContain('✓ web is live: http://web.localhost:8080');
    expect(output).not.toContain('was canceled');
  });

  test('to the end where one is canceled and nobody takes over', async () => {
    const sockets = await startWebSocketGateway((socket) => {
      const end = { execution_id: ids.execution, outcome: 'CANCELED' } as never;
      socket.send(JSON.stringify([line(1, 'Canceled by Ada.', { execution_ended: end })]));
    });
    const { output } = await push(sockets);
    expect(output).toContain('The deployment was canceled. What was live before still is.');
    expect(output).not.toContain('Taken over');
  });

  test('and gives up its place, so that others can clone meanwhile', async () => {
    let opened = 0;
    const sockets = await startWebSocketGateway(() => opened++);
    fixture.alsoClose(sockets);
    fixture.coreApi.delivery = deliveryWithExecution();
    const { url } = await fixture.start({ webSocketUrl: sockets.url, backendsMax: 1 });
    const work = await fixture.workTree();
    fixture.spawnGit(work, 'push', fixture.remote(url), 'main');
    await waitUntil(() => opened === 1);
    const cloned = await fixture.git(fixture.root, 'clone', fixture.remote(url), 'copy');
    expect(cloned.code, cloned.output).toBe(0);
  });
});
