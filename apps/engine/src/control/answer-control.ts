import type { ControlReply, ControlRequest } from '@pilotfish/contracts';
import { toFault, unreachable } from '@pilotfish/kernel';
import type { Ledger } from '../execution/ledger.ts';
import type { ApplicationLogs } from '../logs/application-logs.ts';
import { fitLines } from '../logs/fit-lines.ts';

export interface ControlDeps {
  readonly ledger: Pick<Ledger, 'find' | 'cancel'>;
  readonly logs: ApplicationLogs;
  /** Says hello once more. */
  readonly present: () => void;
}

const readMsMax = 3000;

/** Questions of the control plane. A cancel takes effect at once and is journalled when answered. */
export async function answerControl(
  { ledger, logs, present }: ControlDeps,
  request: ControlRequest,
): Promise<ControlReply> {
  try {
    switch (request.kind) {
      case 'cancel': {
        const execution = ledger.find(request.executionId);
        if (execution === undefined) return { kind: 'canceling', known: false };
        await ledger.cancel(execution, request.force ? 'force' : 'safe');
        return { kind: 'canceling', known: true };
      }
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
