import type { ClusterId, EngineId } from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { listOf } from './base.ts';

export const EngineJoinTokenRequest = z
  .strictObject({
    /** How long it may be used, in seconds; an hour unless told. */
    valid_seconds: z.int().min(60).max(86_400).exactOptional(),
  })
  .meta({ id: 'EngineJoinTokenRequest' });
export type EngineJoinTokenRequest = z.infer<typeof EngineJoinTokenRequest>;

/** An invitation for one engine; `token` is shown here only. */
export const EngineJoinToken = z
  .object({
    id: z.uuid(),
    cluster_id: idSchema<ClusterId>(),
    created_at: InstantText,
    expires_at: InstantText,
    token: z.string(),
  })
  .meta({ id: 'EngineJoinToken' });
export type EngineJoinToken = z.infer<typeof EngineJoinToken>;

/** One engine identity of a cluster, revoked ones included. */
export const Engine = z
  .object({
    id: idSchema<EngineId>(),
    cluster_id: idSchema<ClusterId>(),
    name: z.string(),
    enrolled_at: InstantText,
    last_hello_at: InstantText.nullable(),
    revoked_at: InstantText.nullable(),
    version: z.string().nullable(),
    target: z.string().nullable(),
    /** How strongly it keeps applications apart: T0 a clean environment and nothing more. */
    isolation: z.string().nullable(),
  })
  .meta({ id: 'Engine' });
export type Engine = z.infer<typeof Engine>;

export const EngineList = listOf(Engine, 'EngineList');
