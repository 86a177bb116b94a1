import { describe, expect, it } from 'vitest';
import {
  inOnePiece,
  ROOM_BEFORE_BYTES,
  roomyBuffer,
} from '../../../shared/transport/roomy-buffer.js';

const line = Buffer.from('PUB subject 5\r\n');
const end = Buffer.from('\r\n');

describe('a buffer with room around', () => {
  it('becomes one piece with what goes before and behind, in its own memory', () => {
    const data = roomyBuffer(5);
    data.write('hello');
    const piece = inOnePiece(line, data, end);
    expect(piece?.toString()).toBe('PUB subject 5\r\nhello\r\n');
    expect(piece?.buffer).toBe(data.buffer);
  });

  it('is not one that merely has bytes of others around it', () => {
    const pool = Buffer.alloc(ROOM_BEFORE_BYTES + 5 + 2);
    const other = pool.subarray(ROOM_BEFORE_BYTES, ROOM_BEFORE_BYTES + 5);
    expect(inOnePiece(line, other, end)).toBeUndefined();
    expect(inOnePiece(line, Buffer.from('hello'), end)).toBeUndefined();
    expect(inOnePiece(line, roomyBuffer(5).subarray(0, 4), end)).toBeUndefined();
    expect(inOnePiece(line, roomyBuffer(5).subarray(1), end)).toBeUndefined();
  });

  it('takes no line that is longer than its room', () => {
    const long = Buffer.alloc(ROOM_BEFORE_BYTES + 1, 'x');
    expect(inOnePiece(long, roomyBuffer(5), end)).toBeUndefined();
  });
});
