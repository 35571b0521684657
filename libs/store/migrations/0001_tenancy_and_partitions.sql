-- Hand-written: what drizzle-kit has no words for. RLS is forced, because it would not bind the
-- owner otherwise; grants and the policies of system roles are laid by `applyRoles`, which runs
-- after every migration, because roles belong to the server and not to the database.

-- NULL where no tenant was set, also on a pooled connection, on which set_config leaves ''.
CREATE FUNCTION pilotfish_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('pilotfish.organization_id', true), '')::uuid $$;
--> statement-breakpoint

DO $$
DECLARE
  name text;
BEGIN
  FOR name IN
    SELECT c.table_name
    FROM information_schema.columns c
    WHERE c.table_schema = 'public' AND c.column_name = 'organization_id'
      AND c.table_name <> 'principals'
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format(
      'CREATE POLICY tenant ON %I USING (organization_id = (SELECT pilotfish_tenant()))', name);
  END LOOP;
END $$;
--> statement-breakpoint

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE POLICY tenant ON organizations USING (id = (SELECT pilotfish_tenant()));
--> statement-breakpoint

-- Users have no organization of their own: a tenant sees those who are its members, and may make
-- new ones (the first administrator, an invitation), which it then sees by their membership.
ALTER TABLE principals ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE principals FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE POLICY tenant ON principals
  USING (
    organization_id = (SELECT pilotfish_tenant())
    OR id IN (SELECT m.principal_id FROM memberships m)
  )
  WITH CHECK (
    organization_id = (SELECT pilotfish_tenant()) OR (organization_id IS NULL AND kind = 'user')
  );
--> statement-breakpoint

-- Partitions are made and dropped by functions of the owner, so that no service needs its rights.
-- A partition forbids direct access (RLS without a policy); through its parent the parent's applies.
CREATE FUNCTION pilotfish_ensure_partitions(first_day date, last_day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  parent text;
  each_day date;
  partition text;
  made integer := 0;
BEGIN
  IF last_day - first_day > 400 THEN
    RAISE EXCEPTION 'more than 400 days of partitions at once';
  END IF;
  -- Two processes may come at the same time; the second finds the work done.
  PERFORM pg_advisory_xact_lock(hashtext('pilotfish_partitions'));
  FOREACH parent IN ARRAY ARRAY['execution_events', 'delivery_payloads'] LOOP
    FOR each_day IN SELECT generate_series(first_day, last_day, interval '1 day')::date LOOP
      partition := parent || '_' || to_char(each_day, 'YYYYMMDD');
      CONTINUE WHEN to_regclass(partition) IS NOT NULL;
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
        partition, parent, each_day, each_day + 1);
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', partition);
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', partition);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
--> statement-breakpoint

-- Drops the partitions of one table whose days lie before `first_kept`; answers how many.
CREATE FUNCTION pilotfish_drop_partitions(parent text, first_kept date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  partition text;
  dropped integer := 0;
BEGIN
  IF parent NOT IN ('execution_events', 'delivery_payloads') THEN
    RAISE EXCEPTION '% has no day partitions', parent;
  END IF;
  -- Yesterday is kept whatever the setting says: a wrong one must not drop what is being written.
  first_kept := least(first_kept, current_date - 1);
  PERFORM pg_advisory_xact_lock(hashtext('pilotfish_partitions'));
  FOR partition IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = parent::regclass
      AND c.relname ~ ('^' || parent || '_[0-9]{8}$')
      AND to_date(right(c.relname, 8), 'YYYYMMDD') < first_kept
  LOOP
    EXECUTE format('DROP TABLE %I', partition);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;
--> statement-breakpoint

-- Owner's functions are nobody's until they are granted.
REVOKE ALL ON FUNCTION pilotfish_ensure_partitions(date, date) FROM PUBLIC;
--> statement-breakpoint
REVOKE ALL ON FUNCTION pilotfish_drop_partitions(text, date) FROM PUBLIC;
