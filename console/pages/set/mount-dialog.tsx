/** How the point becomes a folder of a machine. */
import type { VNode } from 'preact';
import { CopyText } from '../../parts/shown-once.js';
import { Dialog } from '../../parts/dialog.js';
import { texts } from '../../texts.js';

export interface MountDialogProps {
  readonly set: string;
  readonly point: number;
  readonly onClose: () => void;
}

export function MountDialog({ set, point, onClose }: MountDialogProps): VNode {
  const words = texts.set.mount;
  const dav = new URL(`/dav/${encodeURIComponent(set)}/${point}/`, window.location.href).href;
  return (
    <Dialog title={words.title(point)} onClose={onClose}>
      <h3>{words.local}</h3>
      <CopyText label={words.local} text={`afterimage mount ${set}@${point} ./${set}-${point}`} />
      <p class="muted">{words.localText}</p>
      <h3>{words.dav}</h3>
      <CopyText label={words.dav} text={dav} />
      <p class="muted">{words.davText}</p>
    </Dialog>
  );
}
