CREATE TABLE "delivery_queue" (
	"delivery_id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"is_leased" boolean DEFAULT false NOT NULL,
	"is_set_aside" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
DROP INDEX "deliveries_pending";--> statement-breakpoint
DROP INDEX "deliveries_received";--> statement-breakpoint
ALTER TABLE "branch_heads" ADD COLUMN "actions" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "delivery_queue_due" ON "delivery_queue" USING btree ("organization_id","due_at") WHERE not "delivery_queue"."is_set_aside";--> statement-breakpoint
CREATE INDEX "delivery_queue_set_aside" ON "delivery_queue" USING btree ("organization_id","delivery_id") WHERE "delivery_queue"."is_set_aside";--> statement-breakpoint
CREATE INDEX "deliveries_by_webhook" ON "deliveries" USING btree ("incoming_webhook_id","id");
--> statement-breakpoint
-- Whoever may write deliveries may queue them; the rest of the rights is laid after the migrations.
ALTER TABLE delivery_queue ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE delivery_queue FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY tenant ON delivery_queue USING (organization_id = (SELECT pilotfish_tenant()));--> statement-breakpoint
DO $$
DECLARE
  writer record;
  granted record;
BEGIN
  FOR writer IN
    SELECT p.policyname, p.qual, array_to_string(p.roles, ', ') AS roles FROM pg_policies p
    WHERE p.schemaname = 'public' AND p.tablename = 'deliveries' AND p.policyname <> 'tenant'
  LOOP
    EXECUTE format('CREATE POLICY %I ON delivery_queue TO %s USING (%s)',
      writer.policyname, writer.roles, writer.qual);
  END LOOP;
  FOR granted IN
    SELECT DISTINCT g.grantee FROM information_schema.role_table_grants g
    WHERE g.table_schema = 'public' AND g.table_name = 'deliveries' AND g.privilege_type = 'INSERT'
      AND g.grantee <> current_user
  LOOP
    EXECUTE format('GRANT INSERT ON delivery_queue TO %I', granted.grantee);
  END LOOP;
END $$;--> statement-breakpoint
-- By a trigger and not by each writer, so that none can forget it, and gateways that do not know of
-- it yet need not. Of a whole batch at once: for each row would cost more than the insert itself.
CREATE FUNCTION pilotfish_queue_deliveries() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
  INSERT INTO delivery_queue (delivery_id, organization_id, due_at)
  SELECT id, organization_id, next_attempt_at FROM added WHERE state = 'PENDING';
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER queue_deliveries AFTER INSERT ON deliveries
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION pilotfish_queue_deliveries();--> statement-breakpoint
-- Nothing is missed in between: making the trigger has locked out whoever writes.
INSERT INTO delivery_queue (delivery_id, organization_id, due_at, attempts, is_set_aside)
SELECT id, organization_id, next_attempt_at, attempts, state = 'SET_ASIDE'
FROM deliveries WHERE state <> 'HANDLED';--> statement-breakpoint
-- Half of each page is left for the ends of its deliveries: they then lie beside them (HOT), and no
-- index hears of them.
ALTER TABLE deliveries SET (fillfactor = 50);--> statement-breakpoint
-- Swept whenever the launcher comes by: a queue with more dead rows than living ones is slow.
ALTER TABLE delivery_queue SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000,
  autovacuum_vacuum_cost_delay = 0
);
