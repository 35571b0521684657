import { ServiceProgress } from '@pilotfish/contracts';
import { expect, test } from 'vitest';
import { environmentState, isFinalProgress, serviceState } from './wire-state.ts';

test('a state is *_QUEUED until an engine reports, or a watcher would return at once', () => {
  for (const action of ['DEPLOY', 'RESTART', 'STOP', 'DELETE'] as const) {
    expect(environmentState(action, 'QUEUED')).toMatch(/_QUEUED$/);
    expect(environmentState(action, 'RELEASED')).toMatch(/_QUEUED$/);
    expect(serviceState(action, 'QUEUED')).toMatch(/_QUEUED$/);
  }
});

test('every final progress has a final word and every other one a word in motion', () => {
  for (const progress of ServiceProgress.options) {
    const state = serviceState('DEPLOY', progress);
    const final = /^(DEPLOYED|STOPPED|DELETED|CANCELED|.*_ERROR)$/.test(state);
    expect(final, `${progress} → ${state}`).toBe(isFinalProgress(progress));
  }
});
