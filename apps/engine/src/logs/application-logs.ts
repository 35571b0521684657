import type { LogPage } from '@pilotfish/contracts';
import type { ServiceId } from '@pilotfish/kernel';

/** Where the lines are that applications write. Each kind of target has them somewhere else. */
export interface ApplicationLogs {
  /**
   * Lines after a sequence, or the newest ones.
   *
   * @throws Fault `not_found` for a service without lines, `unavailable`
   */
  read(
    serviceId: ServiceId,
    query: { readonly after?: number; readonly limit: number },
    signal: AbortSignal,
  ): Promise<LogPage>;
  /**
   * Says which services have lines up to where: all of them at first, then each that wrote. Ends by
   * throwing when the source goes away or the signal aborts; the caller follows again.
   */
  follow(signal: AbortSignal): AsyncIterable<readonly LogPosition[]>;
}

export interface LogPosition {
  readonly serviceId: ServiceId;
  readonly newestSequence: number;
}
