/** Form fields: each with its label, a hint, and what is wrong with the value. */
import { type ComponentChildren, createElement, type VNode } from 'preact';
import { useId } from 'preact/hooks';

interface FieldProps {
  readonly label: string;
  readonly hint?: string;
  /** What is wrong; the field is marked. */
  readonly error?: string | undefined;
  readonly disabled?: boolean;
}

export interface TextFieldProps extends FieldProps {
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly type?: 'text' | 'password' | 'number' | 'search' | 'datetime-local';
  readonly placeholder?: string;
  readonly autocomplete?: string;
  /** More than one makes it a field of several lines. */
  readonly rows?: number;
}

export function TextField(props: TextFieldProps): VNode {
  const { value, onValue, type = 'text', rows = 1, placeholder, autocomplete = 'off' } = props;
  const onInput = (event: Event): void => {
    const { target } = event;
    if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) {
      onValue(target.value);
    }
  };
  return (
    <Field {...props}>
      {(attributes) => {
        const shared = {
          ...attributes,
          value,
          autocomplete,
          spellcheck: false,
          onInput,
          ...(placeholder === undefined ? {} : { placeholder }),
        };
        if (rows > 1) return <textarea {...shared} rows={rows} />;
        // Preact has a type for each kind of input; what ours take is the same for all.
        return createElement('input', { ...shared, type });
      }}
    </Field>
  );
}

export interface SelectFieldProps<Value extends string> extends FieldProps {
  readonly value: Value;
  readonly options: readonly { readonly value: Value; readonly label: string }[];
  readonly onValue: (value: Value) => void;
}

export function SelectField<Value extends string>(props: SelectFieldProps<Value>): VNode {
  const { value, options, onValue } = props;
  const onChange = (event: Event): void => {
    const { target } = event;
    if (!(target instanceof HTMLSelectElement)) return;
    const chosen = options.find((option) => option.value === target.value);
    if (chosen !== undefined) onValue(chosen.value);
  };
  return (
    <Field {...props}>
      {(attributes) => (
        <select {...attributes} value={value} onChange={onChange}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export interface CheckFieldProps extends FieldProps {
  readonly checked: boolean;
  readonly onChecked: (checked: boolean) => void;
}

export function CheckField({ label, hint, disabled = false, ...props }: CheckFieldProps): VNode {
  const id = useId();
  return (
    <div class="field check">
      <input
        id={id}
        type="checkbox"
        checked={props.checked}
        disabled={disabled}
        onChange={(event) => {
          props.onChecked(event.currentTarget.checked);
        }}
      />
      <label for={id}>{label}</label>
      {hint !== undefined && <p class="field-hint">{hint}</p>}
    </div>
  );
}

export interface ChoiceFieldProps<Value extends string> extends FieldProps {
  readonly value: Value;
  readonly options: readonly {
    readonly value: Value;
    readonly label: string;
    readonly hint?: string;
    readonly disabled?: boolean;
  }[];
  readonly onValue: (value: Value) => void;
}

/** Radio buttons, for a few choices that want a sentence each. */
export function ChoiceField<Value extends string>(props: ChoiceFieldProps<Value>): VNode {
  const name = useId();
  return (
    <fieldset class="field choice" disabled={props.disabled ?? false}>
      <legend>{props.label}</legend>
      {props.options.map(({ value, label, hint, disabled = false }) => (
        <label key={value} class="choice-option">
          <input
            type="radio"
            name={name}
            value={value}
            checked={value === props.value}
            disabled={disabled}
            onChange={() => {
              props.onValue(value);
            }}
          />
          <span>
            {label}
            {hint !== undefined && <span class="field-hint">{hint}</span>}
          </span>
        </label>
      ))}
      {props.hint !== undefined && <p class="field-hint">{props.hint}</p>}
      {props.error !== undefined && <p class="field-error">{props.error}</p>}
    </fieldset>
  );
}

interface FieldAttributes {
  readonly id: string;
  readonly disabled: boolean;
  readonly 'aria-describedby'?: string;
  readonly 'aria-invalid'?: boolean;
}

function Field({
  label,
  hint,
  error,
  disabled = false,
  children,
}: FieldProps & { readonly children: (attributes: FieldAttributes) => ComponentChildren }): VNode {
  const id = useId();
  const described = [
    ...(hint === undefined ? [] : [`${id}-hint`]),
    ...(error === undefined ? [] : [`${id}-error`]),
  ].join(' ');
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        disabled,
        ...(described === '' ? {} : { 'aria-describedby': described }),
        ...(error === undefined ? {} : { 'aria-invalid': true }),
      })}
      {hint !== undefined && (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}
