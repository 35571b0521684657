ALTER TABLE "executions" ADD COLUMN "whole_environment" boolean DEFAULT false NOT NULL;--> statement-breakpoint
-- Deletions under way: only that of the whole environment sets what the environment is to be.
UPDATE "executions" SET "whole_environment" = true
FROM "environments"
WHERE "environments"."id" = "executions"."environment_id"
  AND "environments"."last_execution_id" = "executions"."id"
  AND "environments"."desired_state" = 'DELETED'
  AND "executions"."action" = 'DELETE'
  AND "executions"."status" IN ('QUEUED', 'RELEASED', 'ONGOING', 'CANCELING');
