import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { officialClients } from './src/clients.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';

let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform();
});

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
});

/** Reads one websocket until a frame satisfies the condition; the frames so far are the answer. */
async function readFrames(
  path: string,
  parameters: Record<string, string>,
  enough: (text: string) => boolean,
): Promise<string[]> {
  const { webSocketUrl, token } = platform.connection;
  const url = `${webSocketUrl}${path}?${new URLSearchParams(parameters)}`;
  const socket = new WebSocket(url, { headers: { authorization: `Token ${token}` } });
  const frames: string[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', (code, reason) => reject(new Error(`closed: ${code} ${reason}`)));
      socket.on('message', (data) => {
        frames.push(String(data));
        if (enough(String(data))) resolve();
      });
    });
  } finally {
    socket.removeAllListeners('close');
    socket.terminate();
  }
  return frames;
}

test('the official client drives a whole life: create, deploy, watch, stop, delete', async () => {
  const { organizationId, clusterId, gitUrl } = platform.connection;
  const client = officialClients(platform.connection);
  const project = (await client.projects.createProject(organizationId, { name: 'Life' })).data;
  const environment = (
    await client.environments.createEnvironment(project.id, {
      name: 'staging',
      cluster: clusterId,
      mode: 'STAGING',
    })
  ).data;
  const application = (
    await client.applications.createApplication(environment.id, {
      name: 'hello',
      git_repository: { url: gitUrl, branch: 'main', provider: 'GITHUB' },
      healthchecks: {},
      ports: [{ internal_port: 3000, publicly_accessible: true, protocol: 'HTTP' }],
    })
  ).data;
  await client.variables.createVariable({
    key: 'GREETING',
    value: 'A greeting from a variable',
    is_secret: false,
    variable_scope: 'APPLICATION',
    variable_parent_id: application.id,
  });

  const queued = (await client.environmentActions.deployEnvironment(environment.id)).data;
  expect(queued.state).toBe('DEPLOYMENT_QUEUED');
  await eventually('the status is DEPLOYED', 60_000, async () => {
    const status = (await client.environment.getEnvironmentStatus(environment.id)).data;
    if (/ERROR/.test(status.state)) throw new Error(status.state);
    return status.state === 'DEPLOYED';
  });

  const place = {
    organization: organizationId,
    cluster: clusterId,
    project: project.id,
    environment: environment.id,
  };
  const lines = await readFrames('/deployment/logs', place, (text) => /DEPLOYED|ended/i.test(text));
  const timestamps = lines.map((line) => (JSON.parse(line) as { timestamp: string }).timestamp);
  expect(new Set(timestamps).size).toBe(timestamps.length);

  const logs = await readFrames('/service/logs', { ...place, service: application.id }, () => true);
  expect(JSON.parse(logs[0] ?? '')).toMatchObject({ message: expect.any(String) });

  const history = (await client.history.listEnvironmentDeploymentHistoryV2(environment.id)).data;
  expect(history.results?.[0]).toMatchObject({ status: 'DEPLOYED', trigger_action: 'DEPLOY' });

  await client.environmentActions.stopEnvironment(environment.id);
  await eventually('the status is STOPPED', 30_000, async () => {
    const status = (await client.environment.getEnvironmentStatus(environment.id)).data;
    return status.state === 'STOPPED';
  });

  await client.environment.deleteEnvironment(environment.id);
  await eventually('the environment is gone', 30_000, async () => {
    const answer = await client.environment
      .getEnvironment(environment.id, { validateStatus: () => true })
      .then((response) => response.status);
    return answer === 404;
  });
  // The sample that npm start made is somebody else's: it is still there.
  expect((await getPage(platform.connection.applicationUrl)).status).toBe(200);
});
