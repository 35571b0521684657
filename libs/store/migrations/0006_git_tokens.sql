CREATE TABLE "commit_reports" (
	"organization_id" uuid NOT NULL,
	"service_id" uuid NOT NULL,
	"commit_sha" text NOT NULL,
	"execution_id" uuid,
	"status" text,
	"reported_at" timestamp (3) with time zone,
	"last_error" text DEFAULT '' NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "commit_reports_service_id_commit_sha_pk" PRIMARY KEY("service_id","commit_sha")
);
--> statement-breakpoint
CREATE TABLE "git_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"type" text NOT NULL,
	"api_url" text NOT NULL,
	"workspace" text,
	"token_ciphertext" "bytea" NOT NULL,
	"token_version" integer DEFAULT 1 NOT NULL,
	"paused_until" timestamp (3) with time zone,
	"created_by" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"version" integer DEFAULT 1 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "webhook_registrations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"repository_key" text NOT NULL,
	"repository_url" text NOT NULL,
	"git_token_id" uuid NOT NULL,
	"incoming_webhook_id" uuid NOT NULL,
	"provider_hook_id" text,
	"is_adopted" boolean DEFAULT false NOT NULL,
	"secret_version" integer,
	"state" text DEFAULT 'PENDING' NOT NULL,
	"last_error" text DEFAULT '' NOT NULL,
	"verified_at" timestamp (3) with time zone,
	"failures" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone NOT NULL,
	"claimed_until" timestamp (3) with time zone,
	"deliveries_checked_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "webhook_registrations_repository" UNIQUE("organization_id","repository_key")
);
--> statement-breakpoint
ALTER TABLE "incoming_webhooks" ADD COLUMN "registers" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "services" ADD COLUMN "git_token_id" uuid;--> statement-breakpoint
ALTER TABLE "commit_reports" ADD CONSTRAINT "commit_reports_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "commit_reports" ADD CONSTRAINT "commit_reports_service_id_services_id_fk" FOREIGN KEY ("service_id") REFERENCES "public"."services"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "git_tokens" ADD CONSTRAINT "git_tokens_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_registrations" ADD CONSTRAINT "webhook_registrations_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_registrations" ADD CONSTRAINT "webhook_registrations_git_token_id_git_tokens_id_fk" FOREIGN KEY ("git_token_id") REFERENCES "public"."git_tokens"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_registrations" ADD CONSTRAINT "webhook_registrations_incoming_webhook_id_incoming_webhooks_id_fk" FOREIGN KEY ("incoming_webhook_id") REFERENCES "public"."incoming_webhooks"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "commit_reports_organization" ON "commit_reports" USING btree ("organization_id");--> statement-breakpoint
CREATE INDEX "git_tokens_organization" ON "git_tokens" USING btree ("organization_id","id");--> statement-breakpoint
CREATE INDEX "webhook_registrations_due" ON "webhook_registrations" USING btree ("next_attempt_at");--> statement-breakpoint
CREATE INDEX "webhook_registrations_webhook" ON "webhook_registrations" USING btree ("incoming_webhook_id");--> statement-breakpoint
CREATE INDEX "webhook_registrations_token" ON "webhook_registrations" USING btree ("git_token_id");--> statement-breakpoint
ALTER TABLE "services" ADD CONSTRAINT "services_git_token_id_git_tokens_id_fk" FOREIGN KEY ("git_token_id") REFERENCES "public"."git_tokens"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "incoming_webhooks_registering" ON "incoming_webhooks" USING btree ("organization_id","provider") WHERE "incoming_webhooks"."registers" and "incoming_webhooks"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "services_git_token" ON "services" USING btree ("git_token_id") WHERE "services"."git_token_id" is not null and "services"."deleted_at" is null;--> statement-breakpoint
ALTER TABLE "git_tokens" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "git_tokens" FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY tenant ON "git_tokens" USING (organization_id = (SELECT pilotfish_tenant()));--> statement-breakpoint
ALTER TABLE "webhook_registrations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "webhook_registrations" FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY tenant ON "webhook_registrations" USING (organization_id = (SELECT pilotfish_tenant()));--> statement-breakpoint
ALTER TABLE "commit_reports" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "commit_reports" FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY tenant ON "commit_reports" USING (organization_id = (SELECT pilotfish_tenant()));
