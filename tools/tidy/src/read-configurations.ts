import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ConfigRow, describeConfig } from '@pilotfish/runtime';

type Schema = Parameters<typeof describeConfig>[0];

/** The variables of every service, from the schema in its config.ts. */
export async function readConfigurations(root: string): Promise<Record<string, ConfigRow[]>> {
  const configurations: Record<string, ConfigRow[]> = {};
  for (const app of readdirSync(join(root, 'apps')).sort()) {
    const file = join(root, 'apps', app, 'src/config.ts');
    if (!existsSync(file)) continue;
    const { Config } = (await import(pathToFileURL(file).href)) as { Config: Schema };
    configurations[app] = describeConfig(Config);
  }
  return configurations;
}
