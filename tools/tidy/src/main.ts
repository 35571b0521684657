/** `npm run docs`: writes the documents that are derived from the code. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messages, streams } from '@pilotfish/contracts';
import { renderConfiguration, renderMessages } from './generated-docs.ts';
import { readConfigurations } from './read-configurations.ts';
import { renderOpenApi } from './read-openapi.ts';

const root = join(import.meta.dirname, '../../..');
const configuration = renderConfiguration(await readConfigurations(root));
writeFileSync(join(root, 'docs/configuration.md'), configuration);
writeFileSync(join(root, 'docs/messages.md'), renderMessages(messages, streams));
writeFileSync(join(root, 'docs/openapi.json'), await renderOpenApi(root));
