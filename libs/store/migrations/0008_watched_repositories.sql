CREATE TABLE "watched_repositories" (
	"organization_id" uuid NOT NULL,
	"repository_key" text NOT NULL,
	"compared_at" timestamp (3) with time zone,
	"next_compare_at" timestamp (3) with time zone NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"etag" text,
	CONSTRAINT "watched_repositories_organization_id_repository_key_pk" PRIMARY KEY("organization_id","repository_key")
);
--> statement-breakpoint
ALTER TABLE "watched_repositories" ADD CONSTRAINT "watched_repositories_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "watched_repositories_due" ON "watched_repositories" USING btree ("next_compare_at");--> statement-breakpoint
ALTER TABLE "watched_repositories" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "watched_repositories" FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY tenant ON "watched_repositories" USING (organization_id = (SELECT pilotfish_tenant()));
