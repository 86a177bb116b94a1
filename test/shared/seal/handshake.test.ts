import { createDecipheriv } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Initiator, Responder } from '../../../shared/seal/handshake.js';
import { generateKeyPair, keyPairOf, rawPrivate } from '../../../shared/seal/key-pair.js';

const hex = (text: string) => Buffer.from(text, 'hex');

/** Noise_IK_25519_AESGCM_SHA256 out of the test vectors of cacophony, a Haskell implementation. */
const vector = {
  prologue: hex('4a6f686e2047616c74'),
  agentStatic: hex('e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1'),
  agentEphemeral: hex('893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a'),
  replicaPublic: hex('31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62'),
  replicaStatic: hex('4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893'),
  replicaEphemeral: hex('bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b'),
  helloPayload: hex('4c756477696720766f6e204d69736573'),
  hello: hex(
    'ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444e417bc55c7a8166c993356c1be41ef67818a292426f301556c7f26b21d25ddb097153891a9a956cff47b83e63ad8d701c1342c209cff1ca5ecd43402762ac249e3bd3a4c0a145fe07cb5dae28ea13a3',
  ),
  welcomePayload: hex('4d757272617920526f746862617264'),
  welcome: hex(
    '95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843af2ccf9972e22afc67aeafcd25162f7f98c363b7762e3e4cb7d272e39f27a5',
  ),
  /** First messages after the handshake: nonce zero, no additional data. */
  up: [
    hex('462e20412e20486179656b'),
    hex('66acfc92e3197de166809e6d4d5d003dcc819a84bc3522ca53c9d9'),
  ] as const,
  down: [
    hex('4361726c204d656e676572'),
    hex('71f89aa6533a6de70b0826864dd75f60806ee40170c16290189eb3'),
  ] as const,
};

function openPlain(key: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.alloc(12));
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

const prologue = Buffer.from('afterimage/1 a.b.c');

function handshake(agentPrologue = prologue) {
  const [agent, replica] = [generateKeyPair(), generateKeyPair()];
  const initiator = new Initiator({
    prologue: agentPrologue,
    identity: agent,
    replicaPublicKey: replica.publicKey,
  });
  return { agent, replica, initiator, hello: initiator.hello(Buffer.from('who I am')) };
}

const forged = expect.objectContaining({ code: 'frame-forged' }) as Error;

describe('handshake', () => {
  test('handshake: it speaks Noise IK as published vectors say, both ways', () => {
    const replica = keyPairOf(vector.replicaStatic);
    expect(replica.publicKey).toEqual(vector.replicaPublic);
    const initiator = new Initiator({
      prologue: vector.prologue,
      identity: keyPairOf(vector.agentStatic),
      replicaPublicKey: vector.replicaPublic,
      ephemeral: keyPairOf(vector.agentEphemeral),
    });
    expect(initiator.hello(vector.helloPayload)).toEqual(vector.hello);
    const responder = new Responder({
      prologue: vector.prologue,
      identity: replica,
      message: vector.hello,
      ephemeral: keyPairOf(vector.replicaEphemeral),
    });
    expect(responder.payload).toEqual(vector.helloPayload);
    expect(responder.agentPublicKey).toEqual(keyPairOf(vector.agentStatic).publicKey);
    const answer = responder.welcome(vector.welcomePayload);
    expect(answer.message).toEqual(vector.welcome);
    const { payload, secrets } = initiator.welcome(answer.message);
    expect(payload).toEqual(vector.welcomePayload);
    expect(secrets).toEqual(answer.secrets);
    expect(openPlain(secrets.agentToReplica, vector.up[1])).toEqual(vector.up[0]);
    expect(openPlain(secrets.replicaToAgent, vector.down[1])).toEqual(vector.down[0]);
  });

  test('handshake: every byte of the first message counts', () => {
    const { replica, hello } = handshake();
    for (let byte = 0; byte < hello.length; byte += 1) {
      const message = Buffer.from(hello);
      message[byte] = (message[byte] ?? 0) ^ 1;
      expect(() => new Responder({ prologue, identity: replica, message })).toThrow(forged);
    }
    for (const length of [0, 31, 95, hello.length - 1]) {
      const message = hello.subarray(0, length);
      expect(() => new Responder({ prologue, identity: replica, message })).toThrow(forged);
    }
  });

  test('handshake: it is bound to its set and to its replica', () => {
    const { replica, hello } = handshake(Buffer.from('afterimage/1 a.b.d'));
    expect(() => new Responder({ prologue, identity: replica, message: hello })).toThrow(forged);
    const other = generateKeyPair();
    const { hello: message } = handshake();
    expect(() => new Responder({ prologue, identity: other, message })).toThrow(forged);
  });

  test('handshake: a welcome is good for its own hello only', () => {
    const one = handshake();
    const two = new Initiator({
      prologue,
      identity: one.agent,
      replicaPublicKey: one.replica.publicKey,
    });
    two.hello(Buffer.from('again'));
    const responder = new Responder({ prologue, identity: one.replica, message: one.hello });
    const { message } = responder.welcome(Buffer.from('you are'));
    expect(() => two.welcome(message)).toThrow(forged);
    expect(one.initiator.welcome(message).payload.toString()).toBe('you are');
  });

  test('handshake: a public key whose secret anybody knows is refused', () => {
    const { replica, hello } = handshake();
    const message = Buffer.concat([Buffer.alloc(32), hello.subarray(32)]);
    expect(() => new Responder({ prologue, identity: replica, message })).toThrow(forged);
  });

  test('key pair: the raw private key gives the same pair again', () => {
    const pair = generateKeyPair();
    expect(keyPairOf(rawPrivate(pair)).publicKey).toEqual(pair.publicKey);
    expect(() => keyPairOf(Buffer.alloc(31))).toThrow(
      expect.objectContaining({ code: 'config-invalid' }) as Error,
    );
  });
});
