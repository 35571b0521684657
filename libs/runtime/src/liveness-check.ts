import { request } from 'node:http';
import type { HealthCheck } from './health.ts';

/** Where another service of ours answers `/health/live`. */
export type ServiceAddress = { readonly url: string } | { readonly socketPath: string };

/**
 * Asks another service whether it lives, not whether it is ready: what it lacks itself, it says
 * itself, and two services that need each other could never become ready.
 */
export function livenessCheck(address: ServiceAddress): HealthCheck {
  return (signal) =>
    new Promise((resolve, reject) => {
      const options = { agent: false, signal } as const;
      const path = '/health/live';
      const call =
        'url' in address
          ? request(new URL(path, address.url), options)
          : request({ ...options, socketPath: address.socketPath, path });
      call.once('error', reject);
      call.once('response', (response) => {
        response.resume();
        const { statusCode = 0 } = response;
        if (statusCode === 200) resolve();
        else reject(new Error(`answers ${statusCode}`));
      });
      call.end();
    });
}
