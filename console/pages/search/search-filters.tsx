/** What narrows a search: set, kind, extension, when it was there, size, deleted or not. */
import type { VNode } from 'preact';
import { SelectField, TextField } from '../../parts/field.js';
import { SetSelect, useStatus } from '../../parts/set-select.js';
import { texts } from '../../texts.js';
import { type FilterName, type SearchFilters, searchKinds, usedFilters } from './search-query.js';

export interface SearchFiltersFormProps {
  readonly filters: SearchFilters;
  readonly onFilters: (filters: SearchFilters) => void;
}

export function SearchFiltersForm({ filters, onFilters }: SearchFiltersFormProps): VNode {
  const status = useStatus();
  const sets = status.state === 'ready' ? status.value.sets.map(({ set }) => set) : [];
  const change = (name: FilterName) => (value: string) => {
    onFilters({ ...filters, [name]: value });
  };
  const used = usedFilters(filters);
  return (
    <details class="search-filters" open={used > 0}>
      <summary>
        {texts.search.filters}
        {used > 0 && ` (${used})`}
      </summary>
      <div class="filters">
        <SetSelect
          sets={sets}
          value={filters.set}
          every={texts.acting.anySet}
          onValue={change('set')}
        />
        <SelectField
          label={texts.search.kind}
          value={filters.kind}
          options={[
            { value: '', label: texts.acting.all },
            ...searchKinds.map((kind) => ({ value: kind, label: texts.search.kinds[kind] })),
          ]}
          onValue={change('kind')}
        />
        <TextField
          label={texts.search.ext}
          placeholder={texts.search.extHint}
          value={filters.ext}
          onValue={change('ext')}
        />
        <SelectField
          label={texts.search.live}
          value={filters.live}
          options={[
            { value: '', label: texts.search.liveAny },
            { value: 'true', label: texts.search.liveNow },
            { value: 'false', label: texts.search.liveGone },
          ]}
          onValue={change('live')}
        />
        <TextField
          type="datetime-local"
          label={texts.search.from}
          value={filters.from}
          onValue={change('from')}
        />
        <TextField
          type="datetime-local"
          label={texts.search.to}
          value={filters.to}
          onValue={change('to')}
        />
        <TextField
          type="number"
          label={texts.search.sizeMin}
          value={filters.min}
          onValue={change('min')}
        />
        <TextField
          type="number"
          label={texts.search.sizeMax}
          value={filters.max}
          onValue={change('max')}
        />
      </div>
    </details>
  );
}
