/** `npm run docs`: writes the documents that are derived from the code. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messages, streams } from '@pilotfish/contracts';
import { faultTable } from '@pilotfish/kernel';
import { faultMeanings } from './fault-meanings.ts';
import { renderConfiguration, renderFaults, renderMessages } from './generated-docs.ts';
import { messageExamples } from './message-examples.ts';
import { readConfigurations } from './read-configurations.ts';
import { renderOpenApi } from './read-openapi.ts';

const root = join(import.meta.dirname, '../../..');
const configuration = renderConfiguration(await readConfigurations(root));
writeFileSync(join(root, 'docs/configuration.md'), configuration);
writeFileSync(join(root, 'docs/faults.md'), renderFaults(faultTable, faultMeanings));
writeFileSync(join(root, 'docs/messages.md'), renderMessages(messages, streams, messageExamples));
writeFileSync(join(root, 'docs/openapi.json'), await renderOpenApi(root));
