/** Text as applications write it: words of uneven frequency in lines, about 3:1 under zstd. */
import { Random } from './random.js';

const WORDS = 1024;
const DRAWS = 65_536;
const LINE_WORDS = 12;
const SPACE = 0x20;
const NEWLINE = 0x0a;

const vocabulary = makeVocabulary(new Random(1));
/** Few words often, most of them seldom: an even draw from these is not even over the words. */
const draws = Array.from(
  { length: DRAWS },
  (_, draw) => vocabulary[Math.floor(WORDS * (draw / DRAWS) ** 4)] ?? Buffer.alloc(0),
);

/** Fills all of `room`. */
export function fillWithText(room: Buffer, random: Random): void {
  let at = 0;
  for (let words = 1; at < room.length; words += 1) {
    const word = draws[random.below(DRAWS)] ?? Buffer.alloc(0);
    const end = Math.min(room.length - at, word.length);
    for (let letter = 0; letter < end; letter += 1) room[at + letter] = word[letter] ?? SPACE;
    at += end;
    if (words % LINE_WORDS === 0) room[at - 1] = NEWLINE;
  }
}

export function makeText(length: number, random: Random): Buffer {
  const room = Buffer.allocUnsafe(length);
  fillWithText(room, random);
  return room;
}

/** Words with the space after them. */
function makeVocabulary(random: Random): readonly Buffer[] {
  return Array.from({ length: WORDS }, () => {
    const letters = Array.from({ length: random.between(2, 11) }, () => 97 + random.below(26));
    return Buffer.from([...letters, SPACE]);
  });
}
