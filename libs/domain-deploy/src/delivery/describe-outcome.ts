import type { ServiceMatch } from './match-services.ts';

/** What became of one branch that a delivery named. */
export type BranchOutcome =
  | {
      readonly kind: 'matched';
      readonly branch: string;
      readonly headSha: string;
      readonly matches: readonly ServiceMatch[];
    }
  | { readonly kind: 'deleted'; readonly branch: string }
  | { readonly kind: 'unwatched'; readonly branch: string }
  | { readonly kind: 'tag'; readonly name: string };

const skipReasons = {
  to_be_deleted: 'its deletion was asked for',
  auto_deploy_off: 'automatic deployment is off',
  same_commit: 'that commit was requested already',
  other_paths: 'only paths outside its filter changed',
} as const;

/** One sentence per branch: what the delivery started, or exactly why it started nothing. */
export function describeOutcome(outcomes: readonly BranchOutcome[]): string {
  return outcomes.map(describeBranch).join(' ');
}

function describeBranch(outcome: BranchOutcome): string {
  switch (outcome.kind) {
    case 'tag':
      return `Tag ${outcome.name} moved; services follow branches, not tags.`;
    case 'deleted':
      return `Branch ${outcome.branch} does not exist any more; what runs is left as it is.`;
    case 'unwatched':
      return `No service follows branch ${outcome.branch} of this repository.`;
    case 'matched':
      return describeMatches(outcome.branch, outcome.headSha, outcome.matches);
  }
}

function describeMatches(branch: string, sha: string, matches: readonly ServiceMatch[]): string {
  const started = matches.filter((m) => m.kind === 'deploy').map((m) => m.service.name);
  const skipped = matches.flatMap((m) =>
    m.kind === 'skip' ? [`${m.service.name} (${skipReasons[m.reason]})`] : [],
  );
  const parts = [
    started.length > 0 ? `deploys ${started.join(', ')}` : '',
    skipped.length > 0 ? `does not deploy ${skipped.join(', ')}` : '',
  ].filter((part) => part !== '');
  // What was refused is said behind it, with its reason.
  const what = parts.length > 0 ? parts.join(' and ') : 'deploys nothing';
  return `Commit ${sha.slice(0, 8)} of branch ${branch} ${what}.`;
}
