import { streams } from '@pilotfish/contracts';

export interface ServerConfigOptions {
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
  /** JetStream's folder; may be lost at any time. */
  readonly storeFolder: string;
  /** Where the server keeps account JWTs; may be lost as well, core-api pushes them again. */
  readonly resolverFolder: string;
}

interface SignedAccounts {
  readonly operatorJwt: string;
  readonly systemAccount: string;
  /** Public key → JWT. */
  readonly accounts: Readonly<Record<string, string>>;
}

/** The server refuses larger messages; a body stays well below, headers and JSON need some room. */
const payloadBytesMax = 512 * 1024;

/**
 * What the streams may hold together, as they reserve it. Said outright, because the server's own
 * default is three quarters of the free disk: on a disk with little room it refused every stream.
 */
const fileStoreBytesMax = Object.values(streams).reduce((sum, { bytesMax }) => sum + bytesMax, 0);

/** nats-server's configuration: operator mode, full resolver, JetStream. Holds no secret. */
export function renderServerConfig(options: ServerConfigOptions, signed: SignedAccounts): string {
  const preload = Object.entries(signed.accounts).map(([key, jwt]) => `  ${key}: ${quote(jwt)}`);
  return `listen: ${quote(`${options.host}:${options.port}`)}
server_name: ${quote(options.serverName)}
max_payload: ${payloadBytesMax}
operator: ${quote(signed.operatorJwt)}
system_account: ${signed.systemAccount}
resolver: {
  type: full
  dir: ${quote(options.resolverFolder)}
  allow_delete: true
  interval: "2m"
}
resolver_preload: {
${preload.join('\n')}
}
jetstream: {
  store_dir: ${quote(options.storeFolder)}
  max_file_store: ${fileStoreBytesMax}
}
`;
}

/** The format's strings are JSON's for everything that can occur here. */
function quote(text: string): string {
  return JSON.stringify(text);
}
