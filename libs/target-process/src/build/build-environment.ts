import { join } from 'node:path';
import type { BuildPlan } from '../plan/build-plan.ts';

/**
 * Variables of the operator's package configuration that builds may see: where packages come from
 * and which certificates and proxies lead there. Everything else of the platform's own environment
 * stays outside: it holds database URLs and paths to keys.
 */
const passed = new Set([
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'YARN_NPM_REGISTRY_SERVER',
  'YARN_REGISTRY',
  'YARN_HTTP_PROXY',
  'YARN_HTTPS_PROXY',
  'YARN_HTTP_RETRY',
  'YARN_HTTP_TIMEOUT',
]);

const npmSettings = new Set([
  'registry',
  'userconfig',
  'globalconfig',
  'cafile',
  'strict_ssl',
  'proxy',
  'https_proxy',
  'noproxy',
  'nodedir',
  'fetch_retries',
  'fetch_retry_mintimeout',
  'fetch_retry_maxtimeout',
  'fetch_timeout',
  'maxsockets',
]);

/**
 * The engine tries a build again whose registry does not answer, and says so. Package managers would
 * wait in silence: npm 70 s over a refused connection, five minutes over one that stays mute. pnpm
 * reads npm's names. In milliseconds.
 */
const shortFetches = {
  npm_config_fetch_retries: '1',
  npm_config_fetch_retry_mintimeout: '1000',
  npm_config_fetch_timeout: '30000',
  YARN_HTTP_RETRY: '1',
  YARN_HTTP_TIMEOUT: '30000',
};

type Environment = Readonly<Record<string, string | undefined>>;

/** The operator's part of a build's environment; where it says nothing of fetching, ours. */
export function operatorEnvironment(host: Environment): Record<string, string> {
  const set = new Set(Object.keys(host).map((name) => name.toLowerCase()));
  const kept: Record<string, string> = Object.fromEntries(
    Object.entries(shortFetches).filter(([name]) => !set.has(name.toLowerCase())),
  );
  for (const [name, value] of Object.entries(host)) {
    if (value === undefined) continue;
    const setting = /^npm_config_(.+)$/i.exec(name)?.[1]?.toLowerCase();
    if (passed.has(name) || (setting !== undefined && npmSettings.has(setting))) kept[name] = value;
  }
  return kept;
}

/**
 * npm warns of settings that it does not know in the files that the operator's variables name, in
 * every command of every build. They are no affair of the application, and its owner cannot help it.
 */
export function isAboutOperatorSettings(line: string): boolean {
  return /^npm warn Unknown (user|global|env) config "/i.test(line);
}

/** Passwords inside the operator's variables (`http://user:password@proxy`): never in a line. */
export function secretsOf(operator: Readonly<Record<string, string>>): string[] {
  return Object.values(operator).flatMap((value) => {
    if (!URL.canParse(value)) return [];
    const { password } = new URL(value);
    return password === '' ? [] : [password, decodeURIComponent(password)];
  });
}

/** Variables that describe the deployment, not the program: they differ from release to release. */
const builtIn = /^(?:QOVERY|PILOTFISH)_/;
/** Set by the platform for every build; a service's variable of this name is for its run time. */
const reserved = new Set(['HOME', 'TMPDIR', 'PORT', 'PATH']);

/**
 * The service's variables that its build sees. They are part of the artefact's key, so the built-in
 * ones stay out: with them no two releases would ever share a build.
 */
export function buildVariables(
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter(([name]) => !builtIn.test(name) && !reserved.has(name)),
  );
}

/** Folders and PATH of one build. */
export interface BuildPlaces {
  readonly path: string;
  readonly home: string;
  readonly temporary: string;
  /** Package caches of the organization, kept between builds. */
  readonly caches: string;
}

/** Everything that a build's commands see, marks aside. Later entries win. */
export function buildEnvironment(
  operator: Readonly<Record<string, string>>,
  places: BuildPlaces,
  plan: Pick<BuildPlan, 'environment'>,
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...operator,
    LANG: 'C.UTF-8',
    CI: 'true',
    NODE_ENV: 'production',
    // In a clean environment npm does not find the machine's own certificates, and waits for ever.
    NODE_USE_SYSTEM_CA: '1',
    npm_config_cache: join(places.caches, 'npm'),
    npm_config_update_notifier: 'false',
    // A package that a lockfile names and the cache holds needs no question to the registry.
    npm_config_prefer_offline: 'true',
    YARN_CACHE_FOLDER: join(places.caches, 'yarn'),
    YARN_GLOBAL_FOLDER: join(places.caches, 'yarn-berry'),
    // pnpm keeps its store in it.
    PNPM_HOME: join(places.caches, 'pnpm'),
    ...plan.environment,
    ...buildVariables(variables),
    PATH: places.path,
    HOME: places.home,
    TMPDIR: places.temporary,
  };
}
