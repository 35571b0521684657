export { isPastSwitch, planService } from './target/plan-service.ts';
export {
  failedStep,
  type ObservedService,
  type Step,
  type StepContext,
  type StepLine,
  type StepName,
  type StepOutcome,
  type Target,
} from './target/target.ts';
