/** The process of `openFlood`: sends what it is told to, and tells what was answered. */
import { setPriority } from 'node:os';
import { type OpenLoad, sendLoad } from './open-load.ts';

// Below all others: a sender that takes the processor away from the service, or from who measures it,
// would be a flood of another kind.
setPriority(19);

process.on('message', (load: OpenLoad) => {
  void sendLoad(load).then((answers) => process.send?.(answers.map(({ status }) => status)));
});
// Its parent is gone.
process.on('disconnect', () => process.exit());
