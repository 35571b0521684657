export { scale } from '@pilotfish/testing';
