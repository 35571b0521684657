ALTER TABLE "control_plane" ADD COLUMN "place" text;
