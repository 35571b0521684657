CREATE TABLE "missing_deliveries" (
	"registration_id" uuid NOT NULL,
	"event_id" text NOT NULL,
	"organization_id" uuid NOT NULL,
	"delivery_id" text NOT NULL,
	"seen_at" timestamp (3) with time zone NOT NULL,
	"requests" integer DEFAULT 0 NOT NULL,
	"next_request_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "missing_deliveries_registration_id_event_id_pk" PRIMARY KEY("registration_id","event_id")
);
--> statement-breakpoint
ALTER TABLE "webhook_registrations" ADD COLUMN "newest_delivery_id" text;--> statement-breakpoint
ALTER TABLE "webhook_registrations" ADD COLUMN "deliveries_due_at" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "webhook_registrations" ADD COLUMN "deliveries_failures" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "missing_deliveries" ADD CONSTRAINT "missing_deliveries_registration_id_webhook_registrations_id_fk" FOREIGN KEY ("registration_id") REFERENCES "public"."webhook_registrations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "missing_deliveries" ADD CONSTRAINT "missing_deliveries_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "missing_deliveries_organization" ON "missing_deliveries" USING btree ("organization_id");--> statement-breakpoint
CREATE INDEX "webhook_registrations_deliveries_due" ON "webhook_registrations" USING btree ("deliveries_due_at");--> statement-breakpoint
ALTER TABLE "missing_deliveries" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "missing_deliveries" FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY tenant ON "missing_deliveries" USING (organization_id = (SELECT pilotfish_tenant()));
