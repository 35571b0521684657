import type { ControlReply, ControlRequest } from '@pilotfish/contracts';
import { toFault, unreachable } from '@pilotfish/kernel';
import type { ApplicationLogs } from '../logs/application-logs.ts';
import { fitLines } from '../logs/fit-lines.ts';
import { type CancelDeps, cancelExecution } from './cancel-execution.ts';

export interface ControlDeps extends CancelDeps {
  readonly logs: ApplicationLogs;
  /** Says hello once more. */
  readonly present: () => void;
}

const readMsMax = 3000;

/** Questions of the control plane. */
export async function answerControl(
  deps: ControlDeps,
  request: ControlRequest,
): Promise<ControlReply> {
  const { logs, present } = deps;
  try {
    switch (request.kind) {
      case 'cancel':
        return { kind: 'canceling', known: await cancelExecution(deps, request) };
      case 'read_logs': {
        const { serviceId, afterSequence, limit } = request;
        const query = afterSequence === undefined ? { limit } : { after: afterSequence, limit };
        const page = await logs.read(serviceId, query, AbortSignal.timeout(readMsMax));
        // Whoever asked goes on from the last line, or asks for what is before the first.
        const lines = fitLines(page.lines, afterSequence === undefined ? 'newest' : 'oldest');
        return { kind: 'log_lines', ...page, lines };
      }
      case 'present':
        present();
        return { kind: 'presenting' };
      default:
        return unreachable(request);
    }
  } catch (error) {
    return { kind: 'error', detail: toFault(error).detail };
  }
}
