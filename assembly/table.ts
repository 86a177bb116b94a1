/**
 * The dedup table: digest → 40-bit locator in 16-byte slots, growing to the whole of its memory.
 *
 * Extendible hashing over segments of 4,096 slots (one WebAssembly page each). The low bits of a
 * digest choose the segment through a directory; inside it, slots are probed linearly. A segment that
 * is four fifths full splits in two by one more bit, so growth costs at most one segment's work per
 * insertion and never needs a second copy of the table. Once the memory bound is reached, a new digest
 * takes the place of an older one: the table answers hints, and forgetting costs bytes, never truth.
 *
 * Slot: 88 bits of the digest (bytes 0–10), 40 bits of locator + 1; all zeros is free.
 *   bytes 0–3   k0: directory bits, from the lowest
 *   bytes 4–7   k1: home slot in the segment, lowest 12 bits
 *   bytes 8–10  k2
 *   bytes 11–15 locator + 1
 */

const SEGMENT_BYTES: u32 = 1 << 16;
const SLOT_BYTES: u32 = 16;
const SLOTS: u32 = SEGMENT_BYTES / SLOT_BYTES;
const SLOT_MASK: u32 = SLOTS - 1;
const SLOTS_USED_MAX: u32 = (SLOTS * 4) / 5;
/** 4 GiB hold 65,536 segments; four times as many directory entries allow for uneven splits. */
const DEPTH_MAX: u32 = 18;

/** Digests and locators of one getMany() or setMany(), looked at in groups. */
const MANY: u32 = 1024;
const TOUCHED: u32 = 32;
const MANY_DIGESTS: usize = memory.data(32 * 1024, 64);
const MANY_LOCATORS: usize = memory.data(8 * 1024, 64);
/** Per directory entry the number of a segment. */
const DIRECTORY: usize = memory.data(4 << 18, 64);
/** Per segment: slots used in the low 16 bits, depth above. */
const SEGMENTS: usize = memory.data(4 << 16, 64);
/** A segment that is being split. */
const SPLIT: usize = memory.data(1 << 16, 64);

export const manyMax: u32 = MANY;
export const manyDigests: usize = MANY_DIGESTS;
export const manyLocators: usize = MANY_LOCATORS;

let firstPage: u32 = 0;
let segments: u32 = 0;
let segmentsMax: u32 = 0;
let depth: u32 = 0;
let used: u32 = 0;

/** Segments laid out. */
export function segmentCount(): u32 {
  return segments;
}

/** Entries in the table. */
export function size(): u32 {
  return used;
}

/**
 * Lays out 2^`depthAtStart` segments, at most `segmentsAllowed` ever. False when memory is refused.
 * To be called once, first.
 */
export function open(depthAtStart: u32, segmentsAllowed: u32): bool {
  firstPage = memory.size();
  segmentsMax = min(segmentsAllowed, 65536 - firstPage);
  depth = depthAtStart;
  const count: u32 = 1 << depth;
  if (count > segmentsMax || memory.grow(count) < 0) return false;
  segments = count;
  for (let i: u32 = 0; i < count; ++i) {
    store<u32>(DIRECTORY + 4 * i, i);
    store<u32>(SEGMENTS + 4 * i, depth << 16);
  }
  return true;
}

// @ts-ignore: decorator
@inline
function segmentOf(k0: u32): u32 {
  return load<u32>(DIRECTORY + 4 * (k0 & ((1 << depth) - 1)));
}

// @ts-ignore: decorator
@inline
function placeOf(segment: u32): usize {
  return (firstPage + segment) * SEGMENT_BYTES;
}

// @ts-ignore: decorator
@inline
function slotsUsed(segment: u32): u32 {
  return load<u16>(SEGMENTS + 4 * segment);
}

// @ts-ignore: decorator
@inline
function countUsed(segment: u32, difference: i32): void {
  store<u16>(SEGMENTS + 4 * segment, <u16>(slotsUsed(segment) + difference));
  used += difference;
}

// @ts-ignore: decorator
@inline
function firstHalf(k0: u32, k1: u32): u64 {
  return ((<u64>k1) << 32) | k0;
}

/** Slot of the key in the segment at `place`, or the free slot where probing for it ends. */
// @ts-ignore: decorator
@inline
function probe(place: usize, first: u64, k2: u32): usize {
  let slot = (<u32>(first >> 32)) & SLOT_MASK;
  while (true) {
    const p = place + slot * SLOT_BYTES;
    const second = load<u64>(p, 8);
    if (second == 0) return p;
    if (load<u64>(p) == first && ((<u32>second) & 0xffffff) == k2) return p;
    slot = (slot + 1) & SLOT_MASK;
  }
}

/** The locator of a digest, or −1. */
export function get(k0: u32, k1: u32, k2: u32): f64 {
  const p = probe(placeOf(segmentOf(k0)), firstHalf(k0, k1), k2);
  const second = load<u64>(p, 8);
  return second == 0 ? -1 : <f64>((second >> 24) - 1);
}

/** Reads the home slots of digests `from` to `to` first, so that their cache misses overlap. */
function touch(from: u32, to: u32): void {
  let touched: u64 = 0;
  for (let i = from; i < to; ++i) {
    const first = load<u64>(MANY_DIGESTS + 32 * i);
    const place = placeOf(segmentOf(<u32>first));
    touched += load<u64>(place + ((<u32>(first >> 32)) & SLOT_MASK) * SLOT_BYTES, 8);
  }
  // Without a use the reads would be left out.
  lastTouched = touched;
}
let lastTouched: u64 = 0;

/** `count` (≤ manyMax) digests of 32 bytes at manyDigests → locators or −1 at manyLocators. */
export function getMany(count: u32): void {
  for (let from: u32 = 0; from < count; from += TOUCHED) {
    const to = min(from + TOUCHED, count);
    touch(from, to);
    for (let i = from; i < to; ++i) {
      const k = MANY_DIGESTS + 32 * i;
      const locator = get(load<u32>(k), load<u32>(k, 4), load<u32>(k, 8) & 0xffffff);
      store<f64>(MANY_LOCATORS + 8 * i, locator);
    }
  }
}

/** Sets `count` digests at manyDigests to the locators at manyLocators; how many were new. */
export function setMany(count: u32): u32 {
  let fresh: u32 = 0;
  for (let from: u32 = 0; from < count; from += TOUCHED) {
    const to = min(from + TOUCHED, count);
    touch(from, to);
    for (let i = from; i < to; ++i) {
      const k = MANY_DIGESTS + 32 * i;
      const locator = load<f64>(MANY_LOCATORS + 8 * i);
      fresh += set(load<u32>(k), load<u32>(k, 4), load<u32>(k, 8) & 0xffffff, locator);
    }
  }
  return fresh;
}

/** 1 when the digest was new, 0 when it was there; its locator is the new one either way. */
export function set(k0: u32, k1: u32, k2: u32, locator: f64): u32 {
  const first = firstHalf(k0, k1);
  const second = ((<u64>locator + 1) << 24) | k2;
  while (true) {
    const segment = segmentOf(k0);
    const place = placeOf(segment);
    const p = probe(place, first, k2);
    if (load<u64>(p, 8) != 0) {
      store<u64>(p, second, 8);
      return 0;
    }
    if (slotsUsed(segment) < SLOTS_USED_MAX) {
      store<u64>(p, first);
      store<u64>(p, second, 8);
      countUsed(segment, 1);
      return 1;
    }
    if (split(segment, k0)) continue;
    // What sits in the home slot gives way: the chain through it stays whole. A free home slot
    // cannot be taken without going over the load, so then another of the segment goes first.
    const home = place + (k1 & SLOT_MASK) * SLOT_BYTES;
    if (load<u64>(home, 8) != 0) {
      store<u64>(home, first);
      store<u64>(home, second, 8);
      return 1;
    }
    let victim = home;
    while (load<u64>(victim, 8) == 0) victim = next(place, victim);
    remove(place, victim);
    countUsed(segment, -1);
  }
}

/** True when the digest was there. */
export function del(k0: u32, k1: u32, k2: u32): bool {
  const segment = segmentOf(k0);
  const place = placeOf(segment);
  const p = probe(place, firstHalf(k0, k1), k2);
  if (load<u64>(p, 8) == 0) return false;
  remove(place, p);
  countUsed(segment, -1);
  return true;
}

// @ts-ignore: decorator
@inline
function next(place: usize, p: usize): usize {
  return place + ((p - place + SLOT_BYTES) & (SEGMENT_BYTES - 1));
}

/** Frees a slot and moves later ones of its chain back, so that no marker of the deleted is needed. */
function remove(place: usize, hole: usize): void {
  let p = next(place, hole);
  while (load<u64>(p, 8) != 0) {
    const home = place + (load<u32>(p, 4) & SLOT_MASK) * SLOT_BYTES;
    // Distances along the ring: it may move into the hole unless its home lies after the hole.
    if (((p - home) & (SEGMENT_BYTES - 1)) >= ((p - hole) & (SEGMENT_BYTES - 1))) {
      store<u64>(hole, load<u64>(p));
      store<u64>(hole, load<u64>(p, 8), 8);
      hole = p;
    }
    p = next(place, p);
  }
  store<u64>(hole, 0);
  store<u64>(hole, 0, 8);
}

/** Splits a segment by one more bit of k0; false when the bound or the depth is reached. */
function split(segment: u32, k0: u32): bool {
  const bit = load<u16>(SEGMENTS + 4 * segment, 2);
  if (bit >= DEPTH_MAX || segments >= segmentsMax || !reserve()) return false;
  if (<u32>bit == depth) {
    const bytes: usize = 4 << depth;
    memory.copy(DIRECTORY + bytes, DIRECTORY, bytes);
    ++depth;
  }
  const other = segments++;
  const stride: u32 = 1 << (bit + 1);
  const half: u32 = 1 << bit;
  for (let i = (k0 & (half - 1)) | half; i < (<u32>1) << depth; i += stride) {
    store<u32>(DIRECTORY + 4 * i, other);
  }
  store<u32>(SEGMENTS + 4 * segment, (<u32>(bit + 1)) << 16);
  store<u32>(SEGMENTS + 4 * other, (<u32>(bit + 1)) << 16);
  redistribute(segment, other, half);
  return true;
}

function redistribute(segment: u32, other: u32, half: u32): void {
  const place = placeOf(segment);
  const otherPlace = placeOf(other);
  memory.copy(SPLIT, place, SEGMENT_BYTES);
  memory.fill(place, 0, SEGMENT_BYTES);
  let moved: u32 = 0;
  let stayed: u32 = 0;
  for (let from = SPLIT; from < SPLIT + SEGMENT_BYTES; from += SLOT_BYTES) {
    const second = load<u64>(from, 8);
    if (second == 0) continue;
    const first = load<u64>(from);
    const moves = ((<u32>first) & half) != 0;
    const p = probe(moves ? otherPlace : place, first, (<u32>second) & 0xffffff);
    store<u64>(p, first);
    store<u64>(p, second, 8);
    if (moves) ++moved;
    else ++stayed;
  }
  store<u16>(SEGMENTS + 4 * segment, <u16>stayed);
  store<u16>(SEGMENTS + 4 * other, <u16>moved);
}

/** Room for one more segment; grows by an eighth, because each growth of memory has a price. */
function reserve(): bool {
  const pages = <u32>memory.size();
  if (firstPage + segments < pages) return true;
  const wanted = min(max(segments >> 3, 4), segmentsMax - segments);
  return memory.grow(wanted) >= 0 || memory.grow(1) >= 0;
}
