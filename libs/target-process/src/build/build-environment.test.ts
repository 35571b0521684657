import { expect, test } from 'vitest';
import {
  buildVariables,
  isAboutOperatorSettings,
  operatorEnvironment,
  secretsOf,
} from './build-environment.ts';

test('of the platform only package configuration reaches a build', () => {
  const kept = operatorEnvironment({
    npm_config_registry: 'https://packages.example.org',
    NPM_CONFIG_USERCONFIG: '/etc/npmrc',
    NODE_EXTRA_CA_CERTS: '/etc/ca.pem',
    HTTPS_PROXY: 'http://proxy:3128',
    DATABASE_URL: 'postgres://x',
    NATS_URL: 'nats://x',
    npm_config_prefix: '/opt',
    npm_package_name: 'pilotfish',
    NODE_OPTIONS: '--inspect',
    PATH: '/bin',
  });
  expect(
    Object.keys(kept)
      .filter((name) => !/fetch|YARN_HTTP_/.test(name))
      .sort(),
  ).toEqual(['HTTPS_PROXY', 'NODE_EXTRA_CA_CERTS', 'NPM_CONFIG_USERCONFIG', 'npm_config_registry']);
});

test('how patiently packages are fetched is the operator’s to say, in any spelling', () => {
  expect(operatorEnvironment({})).toMatchObject({ npm_config_fetch_retries: '1' });
  const kept = operatorEnvironment({ NPM_CONFIG_FETCH_RETRIES: '7', YARN_HTTP_RETRY: '7' });
  expect(kept).toMatchObject({ NPM_CONFIG_FETCH_RETRIES: '7', YARN_HTTP_RETRY: '7' });
  expect(kept).not.toHaveProperty('npm_config_fetch_retries');
});

test('a password in the operator’s variables counts as a secret', () => {
  expect(secretsOf({ HTTPS_PROXY: 'http://user:p%40ss@proxy:3128' })).toEqual(['p%40ss', 'p@ss']);
  expect(secretsOf({ HTTPS_PROXY: 'http://proxy:3128', npm_config_cafile: '/etc/ca' })).toEqual([]);
});

test('variables that differ from release to release are no part of a build', () => {
  const variables = { VITE_A: '1', QOVERY_DEPLOYMENT_ID: 'x', PILOTFISH_RELEASE: 'y', PORT: '1' };
  expect(buildVariables(variables)).toEqual({ VITE_A: '1' });
});

test("npm's warnings about the operator's settings are told from those about the application", () => {
  const about = (what: string) => isAboutOperatorSettings(`npm warn ${what}`);
  expect(about('Unknown user config "nodedir". This will stop working in npm 12.')).toBe(true);
  expect(about('Unknown env config "nodedir". This will stop working in npm 12.')).toBe(true);
  expect(about('Unknown project config "nodedir". This will stop working in npm 12.')).toBe(false);
  expect(about('deprecated request@2.88.2: request has been deprecated')).toBe(false);
});
