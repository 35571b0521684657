export { createEdgeClient, type Edge } from './edge/edge-client.ts';
export type { ProcessTargetLimits } from './limits.ts';
export { createProcessTarget, type ProcessTargetDeps } from './process-target.ts';
export { createSupervisorClient, type Supervisor } from './run/supervisor-client.ts';
