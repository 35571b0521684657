/** How `npm start` runs a service, for tools that run one by itself. */
export { ensureBundles } from './bundle/build.ts';
export { buildsFolder } from './bundle/manifest.ts';
export { serviceEnv, serviceFlags } from './launch-service.ts';
export { runOneShot } from './one-shot.ts';
